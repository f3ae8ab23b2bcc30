/* The frames that vitclassify holds, in order: the streaming thread brings them, another may take them away. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef PLUGIN_FRAMELINE_H
#define PLUGIN_FRAMELINE_H

#include <gst/gst.h>
#include <gst/video/video.h>
#include <vit/vit.h>

#include "classmeta.h"
#include "engine.h"
#include "settings.h"

/*
 * At most batch-size x inflight frames stand in line. Those to be classified gather until they fill a batch, until the
 * first of them has waited long enough, until the line is full, or until somebody drains it; then the engine gets them
 * all at once. A frame leaves when every frame before it has left and its own result is there.
 *
 * Two sides: frameline_add and frameline_drain belong to the streaming thread, frameline_next to the thread that pushes
 * (which is the streaming thread too where the line holds one frame). Either side hands batches to the engine,
 * whichever notices first. frameline_stop may come from anywhere; frameline_start and frameline_finish need both sides
 * gone.
 */

typedef enum
{
  FRAME_PASS,                   /* as it came */
  FRAME_CARRY,                  /* with the last result, if that is wanted */
  FRAME_WAIT                    /* with its own result */
} FrameFate;

typedef struct
{
  GstBuffer *buffer;
  FrameSettings settings;       /* as they were when it came */
  FrameFate fate;
  ClassTimes times;
  GstClockTime came;            /* monotonic, ns */
  guintptr ticket;              /* what the engine calls it; 0: it doesn't have it yet */
  GError *error;                /* why it can't be classified */
  vit_result result;            /* valid until the next frame is asked for */
} Frame;

typedef struct
{
  guint64 batches, images;
} FrameLineCounts;

typedef struct
{
  GMutex lock;
  GCond changed;

  /* while started */
  Engine *engine;
  guint batch_size, inflight;
  guint capacity;               /* frames */
  gboolean threaded;            /* another thread takes frames away */
  GstVideoFrame *maps;          /* (batch_size), the sender's */
  vit_image *images;            /* (batch_size), the sender's */
  Frame **batch;                /* (batch_size), the sender's */

  /* under the lock */
  Frame *ring;                  /* (capacity) */
  /* numbers: of the first in line, of the first not seen by a sender, of the next to come */
  guint64 first, sent, end;
  guint gathering;              /* frames to be classified from `sent` on */
  guint64 tickets;              /* given out, ever */
  gboolean sending;             /* somebody hands a batch to the engine */
  gboolean draining, stopped;
  gboolean leaving;             /* a frame was taken away and may not have arrived downstream */
  gboolean failed;              /* for good: an error was posted */
  GstFlowReturn ret;            /* of those who take frames away */
  GstClockTime timeout;         /* ns that a frame gathers at most */
  GstVideoInfo info;            /* of the frames in line */
  FrameLineCounts counts;
} FrameLine;

void frameline_init (FrameLine * line);
void frameline_finish (FrameLine * line);

/* Opens the line for an engine's batches. The caller says with `threaded` whether another thread takes frames away. */
void frameline_start (FrameLine * line, Engine * engine, guint batch_size, guint inflight, gboolean threaded);
/* Both sides return FLUSHING from now on. */
void frameline_stop (FrameLine * line);
/* Drops all frames and opens the line again after frameline_stop. An error that was posted remains. */
void frameline_clear (FrameLine * line);

/* What holds for the frames that come from now on; the line must be empty. */
void frameline_set_format (FrameLine * line, const GstVideoInfo * info, GstClockTime timeout);

/* Takes the frame, waiting while the line is full. The error of whoever takes frames away comes back here. */
GstFlowReturn frameline_add (FrameLine * line, Frame * frame);
/* Waits until every frame has left. */
GstFlowReturn frameline_drain (FrameLine * line);

/* The next frame that may leave, waiting for it; without threads, one without a buffer where there is none. */
GstFlowReturn frameline_next (FrameLine * line, Frame * frame);
/* What became of it downstream; after anything but OK the streaming thread gets that. */
void frameline_left (FrameLine * line, GstFlowReturn ret);
/* This element failed and has said so. */
void frameline_fail (FrameLine * line);
/* Back to OK if the flow stood at `ret`. TRUE: it did. */
gboolean frameline_forgive (FrameLine * line, GstFlowReturn ret);

FrameLineCounts frameline_counts (FrameLine * line);

void frame_clear (Frame * frame);

#endif
