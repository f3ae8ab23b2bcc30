/* Brings a checkpoint's numbers onto the device. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_MODEL_LOAD_H
#define VIT_MODEL_LOAD_H

#include "base/progress.h"
#include "gpu/compile.h"
#include "model/checkpoint.h"
#include "model/model.h"

/* What is told on the way: the layers that are loaded and the kernels that are compiled meanwhile. */
struct load_progress {
  struct progress layers, kernels;
  struct compile *compile;
};

/* Reads, folds, packs and uploads every tensor. The model has its config, stores and folds; what is loaded when it
 * fails is the model's to free. */
bool load_network (vit_model *m, const struct checkpoint *file, struct load_progress *progress, vit_error *err);

#endif
