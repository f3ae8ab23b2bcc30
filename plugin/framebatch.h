/* Hands frames to the engine as one batch. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef PLUGIN_FRAMEBATCH_H
#define PLUGIN_FRAMEBATCH_H

#include "frameline.h"

/* Submits n frames of the format `info`, of which each has a ticket; maps and images are room for n. Returns how many
 * the engine took. Where that is fewer than n, error says what is wrong with the first that it did not take, or, where
 * it took none, with the batch. */
guint framebatch_submit (Frame ** frames, guint n, const GstVideoInfo * info, Engine * engine, GstVideoFrame * maps,
    vit_image * images, GError ** error);

#endif
