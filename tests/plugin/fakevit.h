/* A stand-in for the engine that answers at once, sees colours, and fails on demand. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TESTS_FAKEVIT_H
#define TESTS_FAKEVIT_H

#include <glib.h>
#include <vit/vit.h>

/* The classes of the fake model: the corners of the RGB cube, by the picture's average colour. */
enum fake_class { FAKE_BLACK, FAKE_BLUE, FAKE_GREEN, FAKE_CYAN, FAKE_RED, FAKE_MAGENTA, FAKE_YELLOW, FAKE_WHITE,
  FAKE_CLASSES };

#define FAKE_BATCHES 64         /* how many sizes are remembered */

struct fakevit {
  /* knobs; zero means that all goes well */
  gboolean no_devices, no_f16;
  const char *device_name;      /* NULL: Fake GPU */
  guint subgroup_size;
  enum vit_code fail_device, fail_load, fail_session, fail_prepare, fail_submit, fail_collect;
  guint fail_after;             /* frames that go well before fail_submit or fail_collect */
  gint hang;                    /* results never come; atomic */
  gboolean multi_class_names;   /* labels with commas and quotes */
  gboolean copies;              /* the picture is copied, as the engine does, and not looked at */
  guint load_ms;                /* how long a load takes */
  guint collect_ms;             /* how long a batch takes, one after the other */
  /* what happened */
  gint devices, models, sessions;       /* alive */
  gint loads, submits, images, polls;
  gint surprises;               /* images that do not look like what the session was prepared for */
  guint batches[FAKE_BATCHES];  /* images of each submit */
  gint most_under_way;          /* batches at a time in one session */
  vit_image image;              /* the last one submitted; its planes are gone */
  float rgb[3];                 /* its average colour, 0 to 1 */
};
extern struct fakevit fakevit;

/* All knobs to zero, all counts but those of living objects too. */
void fakevit_reset (void);

extern const char *const fakevit_labels[FAKE_CLASSES];

#endif
