/* Every kernel and variant against its plain-C twin over odd shapes; with --bench times the same rows. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gpu/kernel_rig.h"

int
main (int argc, char **argv)
{
  struct rig rig;
  rig_init (&rig, argc, argv);
  test_layernorm (&rig);
  test_tokens (&rig);
  test_pool (&rig);
  test_linear (&rig);
  test_attention (&rig);
  test_class (&rig);
  rig_finish (&rig);
  return check_status ();
}
