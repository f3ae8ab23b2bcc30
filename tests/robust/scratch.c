/* The folder and the child processes of the robustness tests. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define _XOPEN_SOURCE 700
#include "scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../check.h"

static char top[4096];

static int
remove_one (const char *path, const struct stat *st, int kind, struct FTW *where)
{
  (void) st, (void) kind, (void) where;
  return remove (path);
}

void
scratch_remove (const char *path)
{
  nftw (path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void
remove_all (void)
{
  if (chdir ("/") == 0)
    scratch_remove (top);
}

const char *
scratch_enter (void)
{
  const char *base = getenv ("TMPDIR");
  snprintf (top, sizeof top, "%s/vit-robust-XXXXXX", base && *base ? base : P_tmpdir);
  REQUIRE (mkdtemp (top));
  atexit (remove_all);
  REQUIRE (chdir (top) == 0);
  static const struct {
    const char *variable, *folder;
  } places[] = { { "HOME", "home" }, { "XDG_CACHE_HOME", "cache" }, { "XDG_CONFIG_HOME", "home/config" },
    { "XDG_DATA_HOME", "home/data" }, { "XDG_RUNTIME_DIR", "run" }, { "TMPDIR", "temporary" } };
  for (size_t i = 0; i < COUNT_OF (places); i++) {
    char path[4200];
    snprintf (path, sizeof path, "%s/%s", top, places[i].folder);
    scratch_make_folder (path);
    REQUIRE (chmod (path, 0700) == 0);
    REQUIRE (setenv (places[i].variable, path, 1) == 0);
  }
  return top;
}

char *
scratch_absolute (const char *path)
{
  char *absolute = realpath (path, NULL);
  if (!absolute)
    check_die (__FILE__, __LINE__, "%s: %s", path, strerror (errno));
  return absolute;
}

void
scratch_make_folder (const char *path)
{
  if (mkdir (path, 0755) != 0 && errno != EEXIST)
    check_die (__FILE__, __LINE__, "%s: %s", path, strerror (errno));
}

void
scratch_write (const char *path, const void *data, size_t size)
{
  FILE *f = fopen (path, "wb");
  if (!f)
    check_die (__FILE__, __LINE__, "%s: %s", path, strerror (errno));
  REQUIRE (fwrite (data, 1, size, f) == size);
  REQUIRE (fclose (f) == 0);
}

char *
scratch_read (const char *path, size_t *size)
{
  FILE *f = fopen (path, "rb");
  if (!f)
    check_die (__FILE__, __LINE__, "%s: %s", path, strerror (errno));
  REQUIRE (fseek (f, 0, SEEK_END) == 0);
  long length = ftell (f);
  REQUIRE (length >= 0);
  rewind (f);
  char *data = check_alloc ((size_t) length + 1, 1);
  REQUIRE (fread (data, 1, (size_t) length, f) == (size_t) length);
  fclose (f);
  *size = (size_t) length;
  return data;
}

void
scratch_copy_folder (const char *from, const char *to)
{
  scratch_make_folder (to);
  DIR *d = opendir (from);
  if (!d)
    check_die (__FILE__, __LINE__, "%s: %s", from, strerror (errno));
  for (struct dirent *e; (e = readdir (d));) {
    if (e->d_name[0] == '.')
      continue;
    char source[4096], target[4096];
    snprintf (source, sizeof source, "%s/%s", from, e->d_name);
    snprintf (target, sizeof target, "%s/%s", to, e->d_name);
    size_t size;
    char *data = scratch_read (source, &size);
    scratch_write (target, data, size);
    free (data);
  }
  closedir (d);
}

static void
read_output (FILE *f, char out[CHILD_OUTPUT])
{
  rewind (f);
  out[fread (out, 1, CHILD_OUTPUT - 1, f)] = 0;
  fclose (f);
}

void
child_run (struct child *c, const char *const *argv)
{
  FILE *out = tmpfile (), *err = tmpfile (); /* not pipes: nobody has to read while the child runs */
  REQUIRE (out && err);
  fflush (NULL);
  pid_t pid = fork ();
  REQUIRE (pid >= 0);
  if (pid == 0) {
    alarm (CHILD_SECONDS);
    int nothing = open ("/dev/null", O_RDONLY);
    if (nothing < 0 || dup2 (nothing, 0) < 0 || dup2 (fileno (out), 1) < 0 || dup2 (fileno (err), 2) < 0)
      _exit (126);
    execv (argv[0], (char *const *) argv);
    _exit (127);
  }
  int status;
  while (waitpid (pid, &status, 0) < 0)
    REQUIRE (errno == EINTR);
  c->status = WIFEXITED (status) ? WEXITSTATUS (status) : 128 + WTERMSIG (status);
  read_output (out, c->out);
  read_output (err, c->err);
}
