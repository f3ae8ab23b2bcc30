/* What the tests of kept verdicts and times share: logits that must not change, a file of them that is damaged. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_TESTS_GPU_MEMO_CHECK_H
#define VIT_TESTS_GPU_MEMO_CHECK_H

enum { CLASSES = 7 }; /* of the model */

/* Logits by other kernels of the same precision. */
void memo_require_same (const float a[CLASSES], const float b[CLASSES]);
/* Turns a bit of what the folder remembers of kernels. */
void memo_damage (const char *folder);

#endif
