/* Compiles volk, the Vulkan loader's loader, into the library: Debian ships it as a header. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define VOLK_IMPLEMENTATION
#define VK_NO_PROTOTYPES
#include <volk.h>
