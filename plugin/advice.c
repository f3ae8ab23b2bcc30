/* Knows what would make a device faster that is a CPU. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "advice.h"

#include <string.h>

/* lanes of 32 bits in a register of 512 */
#define WIDEST_SUBGROUP 16

static gboolean
cpu_has_512_bits (void)
{
#if (defined __x86_64__ || defined __i386__) && defined __GNUC__
  return __builtin_cpu_supports ("avx512f") != 0;
#else
  return FALSE;
#endif
}

const gchar *
advice_once (const struct vit_device_info *device)
{
  static gint told;

  /* the variable is this driver's alone; it looks at it when it starts, and the environment is the user's */
  if (device->type != VIT_DEVICE_CPU || !strstr (device->name, "llvmpipe")
      || device->subgroup_size >= WIDEST_SUBGROUP || !cpu_has_512_bits ()
      || !g_atomic_int_compare_and_exchange (&told, FALSE, TRUE))
    return NULL;
  return "This CPU has AVX-512, but the software Vulkan driver uses narrower vectors: with LP_NATIVE_VECTOR_WIDTH=512 "
      "in the environment of the process it may be faster";
}
