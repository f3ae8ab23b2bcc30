/* The enumerations among the properties of vitclassify. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "choices.h"

#include "classmeta.h"
#include "settings.h"

GType
choices_precision (void)
{
  static gsize type;
  static const GEnumValue values[] = {
    {VIT_AUTO, "Half precision on a GPU that stores 16 bit, else single", "auto"},
    {VIT_F32, "Single precision", "fp32"},
    {VIT_F16, "Weights in half precision, sums in single", "fp16"},
    {VIT_I8, "Weights as 8-bit integers, sums in single", "int8"},
    {0, NULL, NULL}
  };

  if (g_once_init_enter (&type))
    g_once_init_leave (&type, g_enum_register_static ("GstVitClassifyPrecision", values));
  return type;
}

GType
choices_tune (void)
{
  static gsize type;
  static const GEnumValue values[] = {
    {VIT_TUNE_OFF, "Nothing is timed; what was timed before counts all the same", "off"},
    {VIT_TUNE_AUTO, "What was not timed before, for 2 seconds at most; nothing on a CPU", "auto"},
    {VIT_TUNE_FULL, "Everything anew, for 30 seconds at most", "full"},
    {0, NULL, NULL}
  };

  if (g_once_init_enter (&type))
    g_once_init_leave (&type, g_enum_register_static ("GstVitClassifyTune", values));
  return type;
}

GType
choices_activation (void)
{
  static gsize type;
  static const GEnumValue values[] = {
    {VIT_SOFTMAX, "Softmax: exactly one class is right", "softmax"},
    {VIT_SIGMOID, "Sigmoid: any number of classes may be right (multi-label models)", "sigmoid"},
    {VIT_IDENTITY, "None: the network's raw outputs, which may lie outside 0 to 1", "none"},
    {0, NULL, NULL}
  };

  if (g_once_init_enter (&type))
    g_once_init_leave (&type, g_enum_register_static ("GstVitClassifyActivation", values));
  return type;
}

GType
choices_message_mode (void)
{
  static gsize type;
  static const GEnumValue values[] = {
    {MESSAGE_MODE_NONE, "No messages", "none"},
    {MESSAGE_MODE_CHANGED, "A message when the best label changes", "changed"},
    {MESSAGE_MODE_ALL, "A message for every frame with a result", "all"},
    {0, NULL, NULL}
  };

  if (g_once_init_enter (&type))
    g_once_init_leave (&type, g_enum_register_static ("GstVitClassifyMessageMode", values));
  return type;
}

GType
choices_carry_over (void)
{
  static gsize type;
  static const GEnumValue values[] = {
    {CARRY_OVER_NONE, "A frame that is not classified carries no result", "none"},
    {CARRY_OVER_LAST, "A frame that is not classified carries the last result with its age", "last"},
    {0, NULL, NULL}
  };

  if (g_once_init_enter (&type))
    g_once_init_leave (&type, g_enum_register_static ("GstVitClassifyCarryOver", values));
  return type;
}

GType
choices_meta (void)
{
  static gsize type;
  static const GFlagsValue values[] = {
    {CLASSMETA_NONE, "Attach nothing", "none"},
    {CLASSMETA_AUTO, "custom, and analytics where GStreamer has it (1.24), else roi", "auto"},
    {CLASSMETA_ANALYTICS, "A classification in GstAnalyticsRelationMeta", "analytics"},
    {CLASSMETA_ROI, "A full-frame GstVideoRegionOfInterestMeta", "roi"},
    {CLASSMETA_CUSTOM, "A custom meta named " CLASSMETA_NAME, "custom"},
    {0, NULL, NULL}
  };

  if (g_once_init_enter (&type))
    g_once_init_leave (&type, g_flags_register_static ("GstVitClassifyMeta", values));
  return type;
}
