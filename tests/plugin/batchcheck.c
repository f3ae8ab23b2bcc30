/* What the tests of batches share: numbered frames in and out, the sizes of the batches between. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "batchcheck.h"

GstHarness *
batchcheck_harness (const gchar * line, GstCaps ** caps)
{
  fakecheck_reset ();
  *caps = common_caps ("RGB", 16, 16, NULL);
  return common_harness (line, gst_caps_ref (*caps));
}

void
batchcheck_finish (GstHarness * h, GstCaps * caps)
{
  gst_caps_unref (caps);
  common_teardown (h);
  fail_unless (fakevit.sessions == 0 && fakevit.models == 0 && fakevit.devices == 0);
}

void
batchcheck_push (GstHarness * h, GstCaps * caps, guint n)
{
  fail_unless_equals_int (gst_harness_push (h, common_frame (caps, fakecheck_corners[n % FAKE_CLASSES], n)),
      GST_FLOW_OK);
}

/* The n-th frame, with its own label and times. */
void
batchcheck_pull (GstHarness * h, guint n)
{
  GstBuffer *out = gst_harness_pull (h);

  fail_unless (out != NULL, "frame %u never came", n);
  fakecheck_label (out, fakevit_labels[n % FAKE_CLASSES], "batch");
  fail_unless_equals_uint64 (GST_BUFFER_PTS (out), n * BATCHCHECK_FRAME);
  fail_unless_equals_uint64 (GST_BUFFER_DURATION (out), BATCHCHECK_FRAME);
  gst_buffer_unref (out);
}

void
batchcheck_sizes (const guint * sizes, guint n)
{
  fail_unless_equals_int (fakevit.submits, (gint) n);
  for (guint i = 0; i < n; i++)
    fail_unless (fakevit.batches[i] == sizes[i], "batch %u: %u images instead of %u", i, fakevit.batches[i], sizes[i]);
}

void
batchcheck_push_segment (GstHarness * h)
{
  GstSegment segment;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  fail_unless (gst_harness_push_event (h, gst_event_new_segment (&segment)));
}
