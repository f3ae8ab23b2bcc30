/* What the tests of kept verdicts and times share: logits that must not change, a file of them that is damaged. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gpu/memo_check.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "check.h"

void
memo_require_same (const float a[CLASSES], const float b[CLASSES])
{
  for (int i = 0; i < CLASSES; i++)
    if (!(fabsf (a[i] - b[i]) <= 1e-4f))
      check_failed ("logit %d is %g, expected %g", i, (double) a[i], (double) b[i]);
}

void
memo_damage (const char *folder)
{
  char path[512] = "";
  DIR *dir = opendir (folder);
  REQUIRE (dir);
  for (const struct dirent *e = readdir (dir); e; e = readdir (dir))
    if (strncmp (e->d_name, "kernels-", 8) == 0)
      snprintf (path, sizeof path, "%s/%s", folder, e->d_name);
  closedir (dir);
  FILE *f = fopen (path, "r+b");
  REQUIRE (f);
  REQUIRE (fseek (f, -3, SEEK_END) == 0 && fputc ('#', f) == '#');
  REQUIRE (fclose (f) == 0);
}
