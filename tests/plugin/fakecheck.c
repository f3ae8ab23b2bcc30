/* What the tests with the stand-in for the engine share: frames of its colours and the labels that come back. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fakecheck.h"

const gdouble fakecheck_corners[FAKE_CLASSES][3] = { {0, 0, 0}, {0, 0, 1}, {0, 1, 0}, {0, 1, 1}, {1, 0, 0}, {1, 0, 1},
  {1, 1, 0}, {1, 1, 1} };

void
fakecheck_reset (void)
{
  fakevit_reset ();
  common_init ();
}

const gchar *
fakecheck_label_of (GstBuffer * buffer)
{
  GstCustomMeta *meta = gst_buffer_get_custom_meta (buffer, "vitclassify");

  return meta ? gst_structure_get_string (gst_custom_meta_get_structure (meta), "label") : NULL;
}

void
fakecheck_label (GstBuffer * buffer, const gchar * expected, const gchar * what)
{
  const gchar *label = fakecheck_label_of (buffer);

  fail_unless (g_strcmp0 (label, expected) == 0, "%s: %s instead of %s (saw %.3f %.3f %.3f)", what, label, expected,
      (double) fakevit.rgb[0], (double) fakevit.rgb[1], (double) fakevit.rgb[2]);
}

void
fakecheck_classify (GstHarness * h, GstCaps * caps, enum fake_class corner, guint n, gsize pad, const gchar * what)
{
  GstBuffer *in = common_frame (caps, fakecheck_corners[corner], n), *out;

  if (pad) {
    GstBuffer *tight = in;

    in = common_padded (tight, caps, pad);
    gst_buffer_unref (tight);
  }
  out = gst_harness_push_and_pull (h, in);
  fakecheck_label (out, fakevit_labels[corner], what);
  fail_unless_equals_uint64 (GST_BUFFER_PTS (out), n * 40 * GST_MSECOND);
  gst_buffer_unref (out);
}

void
fakecheck_wait_for_submits (gint n)
{
  while (g_atomic_int_get (&fakevit.submits) < n)
    g_usleep (1000);
}

struct push
{
  GstHarness *h;
  guint n;
};

static gpointer
push_all (gpointer data)
{
  struct push *push = data;
  GstCaps *caps = gst_pad_get_current_caps (push->h->srcpad);
  GstFlowReturn ret = GST_FLOW_OK;

  for (guint i = 0; i < push->n && ret == GST_FLOW_OK; i++)
    ret = gst_harness_push (push->h, common_frame (caps, fakecheck_corners[i % FAKE_CLASSES], i));
  gst_caps_unref (caps);
  g_free (push);
  return GINT_TO_POINTER (ret);
}

GThread *
fakecheck_push_in_thread (GstHarness * h, guint n)
{
  struct push *push = g_new (struct push, 1);

  *push = (struct push) { h, n };
  return g_thread_new ("pusher", push_all, push);
}

GstFlowReturn
fakecheck_join (GThread * pusher)
{
  return GPOINTER_TO_INT (g_thread_join (pusher));
}
