/* Brings a checkpoint's numbers onto the device. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_MODEL_LOAD_H
#define VIT_MODEL_LOAD_H

#include "base/progress.h"
#include "model/checkpoint.h"
#include "model/model.h"

/* Reads, folds, packs and uploads every tensor. The model has its config, stores and folds; what is loaded when it
 * fails is the model's to free. */
bool load_network (vit_model *m, const struct checkpoint *file, struct progress *progress, vit_error *err);

#endif
