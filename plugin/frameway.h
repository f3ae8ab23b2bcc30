/* One frame's way through vitclassify: whether to classify it, the network, the result on the buffer and the bus. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef PLUGIN_FRAMEWAY_H
#define PLUGIN_FRAMEWAY_H

#include "vitclassify.h"

/* A frame that came: the settings and times that hold for it, and what becomes of it. Takes the buffer. */
void frameway_begin (GstVitClassify * self, Frame * frame, GstBuffer * buffer);

/* Ends what was begun, once the frame may leave: posts the result and attaches it to the frame's buffer (which may be
 * replaced by a writable copy that shares the picture). On failure the buffer is still the frame's. */
GstFlowReturn frameway_end (GstVitClassify * self, Frame * frame);

#endif
