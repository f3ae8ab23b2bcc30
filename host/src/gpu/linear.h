/* The table of kernels for linear layers: what each can do, and which of them to take without having timed any. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_GPU_LINEAR_H
#define VIT_GPU_LINEAR_H

#include "gpu/device.h"
#include "gpu/recorder.h"

/* One way to do a linear. Every kernel gives what linear_params says, within the rounding of float sums. */
struct linear_kernel {
  const char *name; /* of this kernel and shape of tile; it stands in files, so a name never changes its meaning */
  bool (*suits) (const vit_device *dev, const struct linear_call *call, const struct linear_kernel *k);
  bool (*record) (struct recorder *rec, const struct linear_call *call, const struct linear_kernel *k, vit_error *err);
  const void *shape; /* what its functions want to know: the size of the tile */
};

/* The rows of the table, best for large products first; the last one does every weight of LAYOUT_ROWS. */
uint32_t linear_num_kernels (void);
const struct linear_kernel *linear_kernel_at (uint32_t index);
const struct linear_kernel *linear_kernel_named (const char *name); /* NULL: there is none */

/* The call as its kernels want it: in_dim, out_dim, w_stride and bias_rows filled in from the weight. */
struct linear_call linear_complete (const struct linear_call *call);
/* From the device's limits and the shape alone. Of a completed call, as are those that suits and record get. */
const struct linear_kernel *linear_static_choice (const vit_device *dev, const struct linear_call *call);
/* What the rows of the table are compared with: the last one, in the form that is made fastest. */
bool record_linear_reference (struct recorder *rec, const struct linear_call *call, vit_error *err);

#endif
