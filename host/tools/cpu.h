/* This machine's CPU: the vector width that suits it, and what it does at best. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_TOOLS_CPU_H
#define VIT_TOOLS_CPU_H

#include "vit/vit.h"

/* Mesa's software Vulkan reads how many bits wide it computes from an environment variable, when the driver starts;
 * without it, it takes 256 where the CPU could do 512. */
struct cpu_width {
  char bits[16]; /* the variable's value, or empty: not set */
  bool chosen;   /* by cpu_width_apply, not by the user's environment */
};
/* mode: "auto" (512 where the CPU has AVX-512 and the user has set nothing), "keep" (nothing is touched), or a width:
 * 128, 256, 512. Call before anything of Vulkan: drivers read it once. */
bool cpu_width_apply (const char *mode, struct cpu_width *out, vit_error *err);

struct cpu_peak {
  double gflop_per_s;       /* float multiply-adds in registers, 2 operations each, all CPUs at once */
  const char *instructions; /* "AVX-512", "AVX2", "the compiler's choice" */
  unsigned threads;
};
/* Within half a second. */
bool cpu_peak_measure (struct cpu_peak *out, vit_error *err);

#endif
