/* What vitclassify counts and times, and how it shows that as a structure. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stats.h"

#include <stdlib.h>
#include <string.h>

void
stats_add_time (StatsTimes * times, guint64 ns)
{
  times->recent[times->count % STATS_WINDOW] = ns;
  times->count++;
  times->sum += ns;
  times->last = ns;
}

guint64
stats_average (const StatsTimes * times)
{
  return times->count > 0 ? times->sum / times->count : 0;
}

static int
compare_ns (const void *a, const void *b)
{
  guint64 x = *(const guint64 *) a, y = *(const guint64 *) b;

  return (x > y) - (x < y);
}

static guint64
percentile_95 (const StatsTimes * times)
{
  guint64 sorted[STATS_WINDOW];
  gsize n = (gsize) MIN (times->count, STATS_WINDOW);

  if (n == 0)
    return 0;
  memcpy (sorted, times->recent, n * sizeof sorted[0]);
  qsort (sorted, n, sizeof sorted[0], compare_ns);
  return sorted[(n * 95 + 99) / 100 - 1];
}

static void
set_times (GstStructure * structure, const gchar * name, const StatsTimes * times)
{
  const struct
  {
    const gchar *what;
    guint64 ns;
  } rows[] = { {"last", times->last}, {"avg", stats_average (times)}, {"p95", percentile_95 (times)} };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    gchar *field = g_strdup_printf ("%s-%s", name, rows[i].what);

    gst_structure_set (structure, field, G_TYPE_UINT64, rows[i].ns, NULL);
    g_free (field);
  }
}

GstStructure *
stats_structure (const Stats * stats, const gchar * device, const gchar * precision)
{
  GstStructure *structure = gst_structure_new ("vitclassify-stats", "frames", G_TYPE_UINT64, stats->frames,
      "inferred", G_TYPE_UINT64, stats->inferred, "skipped-interval", G_TYPE_UINT64, stats->skipped_interval,
      "skipped-qos", G_TYPE_UINT64, stats->skipped_qos, "skipped-gap", G_TYPE_UINT64, stats->skipped_gap,
      "carried", G_TYPE_UINT64, stats->carried, "errors", G_TYPE_UINT64, stats->errors,
      "batches", G_TYPE_UINT64, stats->batches, "batch-fill", G_TYPE_DOUBLE,
      stats->batches > 0 ? (gdouble) stats->batched / (gdouble) stats->batches : 0.0,
      "reported-latency", G_TYPE_UINT64, stats->reported_latency, NULL);

  set_times (structure, "latency", &stats->held);
  set_times (structure, "total", &stats->total);
  /* a device without timestamps measures nothing, and zero would claim that it had */
  if (stats->forward.count > 0)
    set_times (structure, "forward", &stats->forward);
  gst_structure_set (structure, "device-memory", G_TYPE_UINT64, stats->device_memory, NULL);
  if (device)
    gst_structure_set (structure, "device", G_TYPE_STRING, device, "precision", G_TYPE_STRING, precision, NULL);
  return structure;
}
