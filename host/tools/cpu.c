/* The vector width for software Vulkan, and a loop of multiply-adds that shows what the CPU does at best. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cpu.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef __x86_64__
#include <immintrin.h>
#endif

#include "tool.h"

static const char variable[] = "LP_NATIVE_VECTOR_WIDTH";

static bool
has_avx512 (void)
{
#ifdef __x86_64__
  return __builtin_cpu_supports ("avx512f") && __builtin_cpu_supports ("avx512bw")
      && __builtin_cpu_supports ("avx512dq") && __builtin_cpu_supports ("avx512vl");
#else
  return false;
#endif
}

bool
cpu_width_apply (const char *mode, struct cpu_width *out, vit_error *err)
{
  static const char *const widths[] = { "128", "256", "512" };
  const char *bits = NULL, *set = getenv (variable);
  bool known = strcmp (mode, "auto") == 0 || strcmp (mode, "keep") == 0;
  for (size_t i = 0; i < sizeof widths / sizeof *widths; i++)
    if (strcmp (mode, widths[i]) == 0)
      bits = widths[i];
  if (!known && !bits)
    return tool_fail (err, VIT_ERR_ARG, "--vector-width is '%s', expected auto, keep, 128, 256 or 512", mode);
  if (strcmp (mode, "auto") == 0 && !set && has_avx512 ())
    bits = "512";
  if (bits && setenv (variable, bits, 1) != 0)
    return tool_fail (err, VIT_ERR_MEMORY, "%s can't be set: out of memory", variable);
  out->chosen = bits != NULL;
  snprintf (out->bits, sizeof out->bits, "%s", bits ? bits : set ? set : "");
  return true;
}

/* CHAINS sums hide the latency of one multiply-add behind the others. Each returns something that depends on all. */
enum { CHAINS = 12, STEPS = 16 };

static float
fma_plain (uint64_t rounds, float factor, float term)
{
  enum { LANES = 4 * CHAINS };
  float a[LANES], sum = 0;
  for (int i = 0; i < LANES; i++)
    a[i] = (float) i;
  for (uint64_t r = 0; r < rounds * STEPS; r++)
    for (int i = 0; i < LANES; i++)
#ifdef FP_FAST_FMAF
      a[i] = fmaf (a[i], factor, term);
#else
      a[i] = a[i] * factor + term;
#endif
  for (int i = 0; i < LANES; i++)
    sum += a[i];
  return sum;
}

#ifdef __x86_64__
__attribute__ ((target ("avx512f"))) static float
fma_512 (uint64_t rounds, float factor, float term)
{
  __m512 a[CHAINS], f = _mm512_set1_ps (factor), t = _mm512_set1_ps (term);
  for (int i = 0; i < CHAINS; i++)
    a[i] = _mm512_set1_ps ((float) i);
  for (uint64_t r = 0; r < rounds * STEPS; r++)
    for (int i = 0; i < CHAINS; i++)
      a[i] = _mm512_fmadd_ps (a[i], f, t);
  for (int i = 1; i < CHAINS; i++)
    a[0] = _mm512_add_ps (a[0], a[i]);
  return _mm512_cvtss_f32 (a[0]);
}

__attribute__ ((target ("avx2,fma"))) static float
fma_256 (uint64_t rounds, float factor, float term)
{
  __m256 a[CHAINS], f = _mm256_set1_ps (factor), t = _mm256_set1_ps (term);
  for (int i = 0; i < CHAINS; i++)
    a[i] = _mm256_set1_ps ((float) i);
  for (uint64_t r = 0; r < rounds * STEPS; r++)
    for (int i = 0; i < CHAINS; i++)
      a[i] = _mm256_fmadd_ps (a[i], f, t);
  for (int i = 1; i < CHAINS; i++)
    a[0] = _mm256_add_ps (a[0], a[i]);
  return _mm256_cvtss_f32 (a[0]);
}
#endif

struct kernel {
  float (*run) (uint64_t rounds, float factor, float term);
  const char *instructions;
  unsigned lanes; /* of one chain */
};

static struct kernel
choose_kernel (void)
{
#ifdef __x86_64__
  if (has_avx512 ())
    return (struct kernel) { fma_512, "AVX-512", 16 };
  if (__builtin_cpu_supports ("avx2") && __builtin_cpu_supports ("fma"))
    return (struct kernel) { fma_256, "AVX2", 8 };
#endif
  return (struct kernel) { fma_plain, "the compiler's choice of instructions", 4 };
}

struct job {
  const struct kernel *kernel;
  uint64_t rounds;
  float result;
};

static void *
run_job (void *data)
{
  struct job *job = data;
  job->result = job->kernel->run (job->rounds, 1.0f, 1.0f);
  return NULL;
}

/* One thread a CPU; 0: a thread could not be made. */
static double
run_all_ms (const struct kernel *kernel, uint64_t rounds, unsigned threads, volatile float *sink)
{
  enum { MAX_THREADS = 1024 };
  static pthread_t ids[MAX_THREADS];
  static struct job jobs[MAX_THREADS];
  unsigned started = 0;
  double start = tool_now_ms ();
  threads = threads < MAX_THREADS ? threads : MAX_THREADS;
  for (; started < threads; started++) {
    jobs[started] = (struct job) { .kernel = kernel, .rounds = rounds };
    if (pthread_create (&ids[started], NULL, run_job, &jobs[started]) != 0)
      break;
  }
  for (unsigned i = 0; i < started; i++) {
    pthread_join (ids[i], NULL);
    *sink = jobs[i].result;
  }
  return started == threads ? tool_now_ms () - start : 0;
}

bool
cpu_peak_measure (struct cpu_peak *out, vit_error *err)
{
  enum { BEST_OF = 20 };
  static const double long_enough_ms = 10; /* a short one finds a quiet moment on a busy machine */
  struct kernel kernel = choose_kernel ();
  long cpus = sysconf (_SC_NPROCESSORS_ONLN);
  volatile float sink = 0;
  *out = (struct cpu_peak) { .instructions = kernel.instructions, .threads = cpus > 0 ? (unsigned) cpus : 1 };
  uint64_t rounds = 1000;
  for (int runs = 0; runs < BEST_OF;) {
    double ms = run_all_ms (&kernel, rounds, out->threads, &sink);
    if (ms <= 0)
      return tool_fail (err, VIT_ERR_MEMORY, "%u threads can't be started", out->threads);
    if (ms < long_enough_ms && runs == 0) {
      rounds *= 2;
      continue;
    }
    double gflop = 2e-9 * (double) rounds * STEPS * CHAINS * kernel.lanes * out->threads;
    double rate = gflop / ms * 1e3;
    out->gflop_per_s = rate > out->gflop_per_s ? rate : out->gflop_per_s;
    runs++;
  }
  return true;
}
