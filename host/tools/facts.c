/* Says what a device or a model is, in words or in JSON. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "facts.h"

#include <stdio.h>

#include "tool.h"

static const char *const type_names[] = { "other", "integrated", "discrete", "virtual", "cpu" };
static const char *const filter_names[] = { "nearest", "box", "bilinear", "hamming", "bicubic", "lanczos" };
static const char *const resize_names[] = { "squash", "shortest", "longest" };

#define NAME_OF(names, i) ((size_t) (i) < sizeof (names) / sizeof *(names) ? (names)[i] : "unknown")

static void
uuid_text (char out[33], const uint8_t uuid[16])
{
  for (int i = 0; i < 16; i++)
    snprintf (out + 2 * i, 3, "%02x", uuid[i]);
}

static void
version_text (char *out, size_t size, uint32_t packed)
{
  snprintf (out, size, "%u.%u.%u", (packed >> 22) & 0x7f, (packed >> 12) & 0x3ff, packed & 0xfff);
}

void
facts_print_device (uint32_t index, const struct vit_device_info *info)
{
  char uuid[33], version[32];
  uuid_text (uuid, info->uuid);
  version_text (version, sizeof version, info->api_version);
  printf ("%u: %s\n", index, info->name);
  printf ("   type        %s\n", NAME_OF (type_names, info->type));
  printf ("   driver      %s, Vulkan %s\n", info->driver, version);
  printf ("   uuid        %s\n", uuid);
  if (info->pci[0])
    printf ("   pci         %s\n", info->pci);
  printf ("   memory      %.0f MiB device-local\n", (double) info->memory_bytes / (1 << 20));
  printf ("   subgroup    %u invocations\n", info->subgroup_size);
  printf ("   16-bit      %s\n",
      info->storage16 ? "storage buffers: half-precision weights are possible"
                      : "no storage buffers: weights are kept in f32");
  printf ("   addresses   %s\n", info->buffer_address ? "buffer device addresses" : "no buffer device addresses");
}

json_t *
facts_device_json (const struct vit_device_info *info)
{
  char uuid[33], version[32];
  uuid_text (uuid, info->uuid);
  version_text (version, sizeof version, info->api_version);
  return json_pack ("{s:o, s:o, s:s, s:s, s:s, s:s, s:i, s:I, s:b, s:b}", "name", tool_json_text (info->name), "driver",
      tool_json_text (info->driver), "vulkan", version, "type", NAME_OF (type_names, info->type), "uuid", uuid, "pci",
      info->pci, "subgroup_size", (int) info->subgroup_size, "memory_bytes", (json_int_t) info->memory_bytes,
      "storage16", info->storage16, "buffer_address", info->buffer_address);
}

/* The resize and what follows it, each as one line. */
static void
print_preprocess (const struct vit_preprocess *p)
{
  const char *filter = NAME_OF (filter_names, p->filter);
  printf ("preprocess  resize, %s with antialias, ", filter);
  switch (p->resize) {
    case VIT_RESIZE_SQUASH:
      printf ("to %u x %u whatever the aspect ratio", p->resize_width, p->resize_height);
      break;
    case VIT_RESIZE_SHORTEST:
      printf ("aspect ratio kept, until it just covers %u x %u", p->resize_width, p->resize_height);
      break;
    case VIT_RESIZE_LONGEST:
      printf ("aspect ratio kept, until it just fits into %u x %u", p->resize_width, p->resize_height);
      break;
  }
  printf ("\n            centre crop or pad to %u x %u", p->width, p->height);
  if (p->resize == VIT_RESIZE_LONGEST || p->resize_width < p->width || p->resize_height < p->height)
    printf (", outside RGB (%u, %u, %u)", p->fill[0], p->fill[1], p->fill[2]);
  printf ("\n            (value / 255 - mean) / std, mean %g %g %g, std %g %g %g\n", (double) p->mean[0],
      (double) p->mean[1], (double) p->mean[2], (double) p->std[0], (double) p->std[1], (double) p->std[2]);
}

void
facts_print_model (const struct vit_model_info *info)
{
  const struct vit_preprocess *p = &info->preprocess;
  printf ("model       %s (%s)\n", info->name, info->family);
  printf ("input       %u x %u pixels, patches of %u x %u, %u tokens\n", p->width, p->height, info->patch_width,
      info->patch_height, info->tokens);
  printf ("network     width %u, depth %u, %u heads of %u, MLP %u, %u classes\n", info->dim, info->depth, info->heads,
      info->head_dim, info->mlp_dim, info->classes);
  printf ("size        %.2f M parameters, %.2f GFLOP an image\n", (double) info->parameters * 1e-6, info->flops * 1e-9);
  printf ("weights     %.2f MB of device memory as %s\n", (double) info->weight_bytes * 1e-6,
      tool_precision_name (info->precision));
  print_preprocess (p);
}

static json_t *
preprocess_json (const struct vit_preprocess *p)
{
  return json_pack ("{s:i, s:i, s:s, s:i, s:i, s:s, s:[i,i,i], s:[f,f,f], s:[f,f,f]}", "width", (int) p->width,
      "height", (int) p->height, "resize", NAME_OF (resize_names, p->resize), "resize_width", (int) p->resize_width,
      "resize_height", (int) p->resize_height, "filter", NAME_OF (filter_names, p->filter), "fill", p->fill[0],
      p->fill[1], p->fill[2], "mean", (double) p->mean[0], (double) p->mean[1], (double) p->mean[2], "std",
      (double) p->std[0], (double) p->std[1], (double) p->std[2]);
}

json_t *
facts_model_json (const struct vit_model_info *info)
{
  return json_pack ("{s:o, s:o, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:I, s:I, s:f, s:s, s:o}", "name",
      tool_json_text (info->name), "family", tool_json_text (info->family), "patch_width", (int) info->patch_width,
      "patch_height", (int) info->patch_height, "tokens", (int) info->tokens, "dim", (int) info->dim, "depth",
      (int) info->depth, "heads", (int) info->heads, "head_dim", (int) info->head_dim, "mlp_dim", (int) info->mlp_dim,
      "classes", (int) info->classes, "parameters", (json_int_t) info->parameters, "weight_bytes",
      (json_int_t) info->weight_bytes, "flops", info->flops, "precision", tool_precision_name (info->precision),
      "preprocess", preprocess_json (&info->preprocess));
}
