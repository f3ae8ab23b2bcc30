/* Label files: what is tolerated, what is refused and with which words. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"
#include "files.h"
#include "vit/vit.h"

static const struct {
  const char *text;
  uint32_t expected;
  const char *last;  /* label, where the file is good */
  const char *error; /* in the message, where it isn't */
} rows[] = {
  { "cat\ndog\n", 2, "dog", NULL },
  { "cat\ndog", 2, "dog", NULL },
  { "cat\r\ndog\r\n", 2, "dog", NULL },
  { "\xef\xbb\xbf"
    "cat\ndog\n\n",
      2, "dog", NULL },
  { "cat\r\ndog\r\n\r\n", 2, "dog", NULL },
  { "\xef\xbb\xbf"
    "cat\n",
      1, "cat", NULL },
  { "cat\n\ndog\n", 3, "dog", NULL },
  { "tench, Tinca tinca \n", 1, "tench, Tinca tinca ", NULL },
  { "Br\xc3\xbc"
    "cke\n\xf0\x9f\x90\xb1\n",
      2, "\xf0\x9f\x90\xb1", NULL },
  { "cat\ndog\n", 3, NULL, "has 2 labels, but the model has 3 classes" },
  { "cat\ndog\nowl\n", 2, NULL, "has 3 labels, but the model has 2 classes" },
  { "cat\n\n\n", 1, NULL, "has 2 labels" },
  { "", 1, NULL, "has 0 labels" },
  { "\n", 1, NULL, "has 0 labels" },
  { "\xef\xbb\xbf", 1, NULL, "has 0 labels" },
  { "cat\n\xff\n", 2, NULL, "line 2 is not UTF-8" },
  { "cat\ndo\xc3", 2, NULL, "line 2 is not UTF-8" },
  { "\xc0\x80\n", 1, NULL, "line 1 is not UTF-8" },
  { "\xed\xa0\x80\n", 1, NULL, "line 1 is not UTF-8" },
  { "version https://git-lfs.github.com/spec/v1\n", 1, NULL, "git lfs pull" },
};

int
main (void)
{
  files_init ();
  for (size_t i = 0; i < COUNT_OF (rows); i++) {
    char **labels = NULL;
    vit_error err = { 0 };
    files_put_text ("labels.txt", rows[i].text);
    bool ok = vit_labels_read (files_path ("labels.txt"), rows[i].expected, &labels, &err);
    if (ok != !rows[i].error || (ok && strcmp (labels[rows[i].expected - 1], rows[i].last) != 0)
        || (!ok && (!strstr (err.msg, rows[i].error) || !strstr (err.msg, "labels.txt") || labels)))
      check_failed ("row %zu: '%s', expected '%s'", i, ok ? labels[rows[i].expected - 1] : err.msg,
          ok ? rows[i].last : rows[i].error);
    vit_labels_free (&labels, rows[i].expected);
    REQUIRE (!labels);
  }
  char **labels = NULL;
  vit_error err = { 0 };
  files_put ("labels.txt", "ca\0t\n", 5);
  REQUIRE (!vit_labels_read (files_path ("labels.txt"), 1, &labels, &err) && strstr (err.msg, "line 1"));
  REQUIRE (!vit_labels_read (files_path ("none.txt"), 1, &labels, &err) && err.code == VIT_ERR_IO);
  REQUIRE (!vit_labels_read (files_folder, 1, &labels, NULL));
  REQUIRE (!vit_labels_read (NULL, 1, &labels, &err) && err.code == VIT_ERR_ARG);
  vit_labels_free (&labels, 1);
  vit_labels_free (NULL, 1);
  return check_status ();
}
