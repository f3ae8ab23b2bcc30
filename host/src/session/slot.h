/* A slot: one batch under way with everything it needs, allocated and recorded before the first frame. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_SESSION_SLOT_H
#define VIT_SESSION_SLOT_H

#include "gpu/device.h"
#include "model/graph.h"
#include "model/preprocess.h"

/* One image's way to its patch rows; made again only when the picture's layout changes. */
struct frame {
  struct preprocess_plan plan;
  bool planned;
  struct buffer upload;       /* the frame's planes, written by the CPU */
  struct buffer local;        /* their copy where the upload's memory is not the device's own */
  struct buffer tables, rows; /* tap tables; what lies between the two passes, where they are two */
  struct recorder *rec;
  struct recorder *copy; /* upload -> local on the transfer queue; NULL: rec does it, or nothing is to be done */
  void *user;
};

/* The network for one batch size. */
struct network {
  struct graph graph;
  struct recorder *rec;
};

/* Of a session, not of a frame. */
struct counters {
  uint64_t allocations, descriptor_updates;
};

struct slot {
  vit_model *model;          /* borrowed from the session */
  struct counters *counters; /* the session's */
  uint32_t max_batch;
  struct frame *frames;      /* (max_batch) */
  struct network *networks;  /* (max_batch), of 1 .. max_batch images */
  VkCommandBuffer *commands; /* (2 * max_batch + 1) of the submits: frames and network, copies */
  struct buffer arena, readback;
  struct ticket ticket, copies; /* of the submit; of the one on the transfer queue before it */
  uint32_t num, taken;          /* images under way, the session's to set; of these, collected */
  bool done;                    /* the submit was seen finished */
  uint64_t submit_ns;
};

bool slot_init (struct slot *s, vit_model *model, uint32_t max_batch, struct counters *counters, vit_error *err);
void slot_finish (struct slot *s); /* waits for work under way; accepts a zeroed one */
/* Plans for pictures laid out like this one, whose planes are not looked at; the slot must be idle. */
bool slot_plan (struct slot *s, uint32_t index, const vit_image *image, vit_error *err);
/* Plans and copies one picture; the slot must be idle. */
bool slot_load (struct slot *s, uint32_t index, const vit_image *image, vit_error *err);
/* Records the way of a loaded picture to its patch rows. */
bool slot_record_frame (struct slot *s, uint32_t index, struct recorder *rec, vit_error *err);
bool slot_submit (struct slot *s, uint32_t n, vit_error *err);
/* Waits; done tells. */
bool slot_wait (struct slot *s, uint64_t timeout_ns, vit_error *err);
/* Submits the first picture's preprocessing alone, and waits for it. */
bool slot_preprocess (struct slot *s, vit_error *err);
const float *slot_logits (const struct slot *s, uint32_t index);
uint64_t slot_bytes (const struct slot *s);

#endif
