/* From a checkpoint to weights on the device and kernels that may be used, side by side. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_MODEL_START_H
#define VIT_MODEL_START_H

#include "model/load.h"

/* Loads the network and compiles its kernels; as load_network otherwise. */
bool start_network (vit_model *m, const struct checkpoint *file, const struct vit_model_params *params, vit_error *err);

#endif
