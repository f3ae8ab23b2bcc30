/* Follows a program and its threads with ptrace and reports the system calls that name files. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define _GNU_SOURCE /* struct iovec readers and PTRACE_GET_SYSCALL_INFO are Linux's own */
#include "trace.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../check.h"

enum { MAX_THREADS = 4096, PATH_BYTES = 4096 };

/* Where a call names its files: argument numbers of folder and path, -1 for the working folder. */
struct call {
  long number;
  int folder, path, flags; /* flags: argument with O_ flags; -1: the call always writes */
};

static const struct call calls[] = {
#ifdef SYS_open
  { SYS_open, -1, 0, 1 }, { SYS_creat, -1, 0, -1 }, { SYS_mkdir, -1, 0, -1 }, { SYS_rmdir, -1, 0, -1 },
  { SYS_unlink, -1, 0, -1 }, { SYS_rename, -1, 1, -1 }, { SYS_link, -1, 1, -1 }, { SYS_symlink, -1, 1, -1 },
  { SYS_chmod, -1, 0, -1 }, { SYS_mknod, -1, 0, -1 },
#endif
  { SYS_openat, 0, 1, 2 }, { SYS_mkdirat, 0, 1, -1 }, { SYS_unlinkat, 0, 1, -1 }, { SYS_mknodat, 0, 1, -1 },
  { SYS_fchmodat, 0, 1, -1 }, { SYS_symlinkat, 1, 2, -1 },
#ifdef SYS_renameat
  { SYS_renameat, 2, 3, -1 },
#endif
  { SYS_renameat2, 2, 3, -1 }, { SYS_linkat, 2, 3, -1 }, { SYS_truncate, -1, 0, -1 },
  { SYS_openat2, 0, 1, -1 }, /* its flags are in memory: taken for a write */
};

/* A thread between the entry and the exit of a call of the table. */
struct thread {
  pid_t id;
  const struct call *call;
  uint64_t args[6];
};

struct tracer {
  struct thread threads[MAX_THREADS];
  int num_threads;
  trace_seen seen;
  void *ctx;
};

static struct thread *
find_thread (struct tracer *t, pid_t id)
{
  for (int i = 0; i < t->num_threads; i++)
    if (t->threads[i].id == id)
      return &t->threads[i];
  REQUIRE (t->num_threads < MAX_THREADS);
  t->threads[t->num_threads] = (struct thread) { .id = id };
  return &t->threads[t->num_threads++];
}

/* The program's text at `address`; pages are read one by one, the next may not be there. */
static bool
read_text (pid_t id, uint64_t address, char out[PATH_BYTES])
{
  for (size_t done = 0; done < PATH_BYTES - 1;) {
    size_t chunk = 4096 - (address + done) % 4096;
    if (chunk > PATH_BYTES - 1 - done)
      chunk = PATH_BYTES - 1 - done;
    struct iovec local = { out + done, chunk }, remote = { (void *) (uintptr_t) (address + done), chunk };
    ssize_t n = process_vm_readv (id, &local, 1, &remote, 1, 0);
    if (n <= 0)
      return false;
    out[done + (size_t) n] = 0;
    if (memchr (out + done, 0, (size_t) n))
      return true;
    done += (size_t) n;
  }
  return false;
}

static void
report (struct tracer *t, const struct thread *thread)
{
  const struct call *call = thread->call;
  char link[64], folder[PATH_BYTES], name[PATH_BYTES], path[2 * PATH_BYTES];
  if (!read_text (thread->id, thread->args[call->path], name))
    check_die (__FILE__, __LINE__, "call %ld: its path can't be read: %s", call->number, strerror (errno));
  folder[0] = 0;
  if (name[0] != '/') {
    int fd = call->folder < 0 ? AT_FDCWD : (int) thread->args[call->folder];
    if (fd == AT_FDCWD)
      snprintf (link, sizeof link, "/proc/%d/cwd", (int) thread->id);
    else
      snprintf (link, sizeof link, "/proc/%d/fd/%d", (int) thread->id, fd);
    ssize_t n = readlink (link, folder, sizeof folder - 2);
    folder[n < 0 ? 0 : n] = 0;
    strcat (folder, "/");
  }
  snprintf (path, sizeof path, "%s%s", folder, name);
  bool written = call->flags < 0;
  if (!written) {
    uint64_t flags = thread->args[call->flags];
    written = (flags & O_ACCMODE) != O_RDONLY || (flags & (O_CREAT | O_TRUNC));
  }
  t->seen (t->ctx, path, written);
}

/* Entry: remembers what is asked for. Exit: tells it if it was granted. */
static void
at_call (struct tracer *t, struct thread *thread)
{
  struct __ptrace_syscall_info info;
  if (ptrace (PTRACE_GET_SYSCALL_INFO, thread->id, sizeof info, &info) <= 0)
    return; /* the thread was killed in between */
  if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
    thread->call = NULL;
    for (size_t i = 0; i < COUNT_OF (calls); i++)
      if ((uint64_t) calls[i].number == info.entry.nr)
        thread->call = &calls[i];
    memcpy (thread->args, info.entry.args, sizeof thread->args);
  } else if (info.op == PTRACE_SYSCALL_INFO_EXIT && thread->call) {
    if (!info.exit.is_error)
      report (t, thread);
    thread->call = NULL;
  }
}

static void
start_child (const char *const *argv)
{
  int nothing = open ("/dev/null", O_RDWR);
  if (nothing < 0 || dup2 (nothing, 0) < 0 || dup2 (nothing, 1) < 0 || dup2 (nothing, 2) < 0)
    _exit (126);
  if (ptrace (PTRACE_TRACEME, 0, 0, 0) != 0)
    _exit (125);
  raise (SIGSTOP); /* until the options below are set */
  execv (argv[0], (char *const *) argv);
  _exit (127);
}

/* Until the child itself is gone. */
static int
follow (struct tracer *t, pid_t child)
{
  for (;;) {
    int status;
    pid_t id = waitpid (-1, &status, __WALL);
    REQUIRE (id > 0 || errno == EINTR);
    if (id <= 0)
      continue;
    if (WIFEXITED (status) || WIFSIGNALED (status)) {
      if (id == child)
        return WIFEXITED (status) ? WEXITSTATUS (status) : 128 + WTERMSIG (status);
      continue;
    }
    int number = WSTOPSIG (status), pass = 0;
    if (number == (SIGTRAP | 0x80))
      at_call (t, find_thread (t, id));
    else if (number != SIGTRAP && number != SIGSTOP)
      pass = number; /* a signal of the program's own */
    ptrace (PTRACE_SYSCALL, id, 0, pass);
  }
}

int
trace_run (const char *const *argv, trace_seen seen, void *ctx)
{
  static struct tracer t;
  t = (struct tracer) { .seen = seen, .ctx = ctx };
  fflush (NULL);
  pid_t child = fork ();
  REQUIRE (child >= 0);
  if (child == 0)
    start_child (argv);
  int status;
  REQUIRE (waitpid (child, &status, 0) == child);
  if (WIFEXITED (status) && WEXITSTATUS (status) == 125)
    return -1;
  REQUIRE (WIFSTOPPED (status));
  long options =
      PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_EXITKILL;
  struct __ptrace_syscall_info probe;
  bool able = ptrace (PTRACE_SETOPTIONS, child, 0, options) == 0
      && ptrace (PTRACE_GET_SYSCALL_INFO, child, sizeof probe, &probe) > 0 && ptrace (PTRACE_SYSCALL, child, 0, 0) == 0;
  if (!able) {
    kill (child, SIGKILL);
    waitpid (child, &status, 0);
    return -1;
  }
  return follow (&t, child);
}
