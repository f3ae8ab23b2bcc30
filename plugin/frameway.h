/* One frame's way through vitclassify: whether to classify it, the network, the result on the buffer and the bus. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef PLUGIN_FRAMEWAY_H
#define PLUGIN_FRAMEWAY_H

#include "vitclassify.h"

/* Takes the settings for this frame, decides what becomes of it and, where it is to be classified, submits it. */
GstFlowReturn frameway_begin (GstVitClassify * self, GstBuffer * buffer);

/* Ends what was begun: waits for the result, posts it, attaches it to *buffer (which may be replaced by a writable
 * copy that shares the picture). On failure *buffer is still the caller's. */
GstFlowReturn frameway_end (GstVitClassify * self, GstBuffer ** buffer);

#endif
