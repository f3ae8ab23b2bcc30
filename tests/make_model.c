/* Random checkpoints in timm's layout: config.json and a safetensors file. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "make_model.h"

#include <dirent.h>
#include <unistd.h>

#include "check.h"
#include "half.h"

enum { MAX_PATH = 1024, MAX_HEADER = 1 << 18 };

/* A safetensors file under construction: the header's text and the numbers after it. */
struct writer {
  FILE *data;            /* (temporary) the tensors one after the other */
  char *header;          /* (MAX_HEADER) */
  size_t length, offset; /* of the header's text; bytes of data so far */
  enum model_dtype dtype;
  double gain;
  struct rng rng;
};

char *
make_folder (void)
{
  const char *parent = getenv ("TMPDIR");
  char *path = check_alloc (MAX_PATH, 1);
  snprintf (path, MAX_PATH, "%s/vit-test-XXXXXX", parent && *parent ? parent : "/tmp");
  REQUIRE (mkdtemp (path));
  return path;
}

void
remove_folder (char **folder)
{
  char path[2 * MAX_PATH];
  DIR *dir = opendir (*folder);
  const struct dirent *entry;
  while (dir && (entry = readdir (dir)) != NULL) {
    snprintf (path, sizeof path, "%s/%s", *folder, entry->d_name);
    unlink (path);
  }
  if (dir)
    closedir (dir);
  rmdir (*folder);
  free (*folder);
  *folder = NULL;
}

static FILE *
open_file (const char *folder, const char *name)
{
  char path[2 * MAX_PATH];
  snprintf (path, sizeof path, "%s/%s", folder, name);
  FILE *f = fopen (path, "wb");
  REQUIRE (f);
  return f;
}

static void __attribute__ ((format (printf, 2, 3))) put_header (struct writer *w, const char *format, ...)
{
  va_list args;
  va_start (args, format);
  w->length += (size_t) vsnprintf (w->header + w->length, MAX_HEADER - w->length, format, args);
  va_end (args);
  REQUIRE (w->length < MAX_HEADER);
}

/* One tensor of normal numbers around `mean`. shape ends at its first 0. */
static void
put (struct writer *w, const char *name, const uint32_t *shape, double mean, double deviation)
{
  size_t count = 1, size = w->dtype == MODEL_F16 ? 2 : 4;
  put_header (w, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[", w->offset ? "," : "{", name,
      w->dtype == MODEL_F16 ? "F16" : "F32");
  for (int i = 0; shape[i]; i++) {
    put_header (w, "%s%u", i ? "," : "", shape[i]);
    count *= shape[i];
  }
  put_header (w, "],\"data_offsets\":[%zu,%zu]}", w->offset, w->offset + count * size);
  for (size_t i = 0; i < count; i++) {
    float x = (float) (mean + deviation * rng_normal (&w->rng));
    uint16_t h = half_from_double (x);
    REQUIRE (fwrite (size == 2 ? (const void *) &h : &x, size, 1, w->data) == 1);
  }
  w->offset += count * size;
}

/* PREFIX.weight and PREFIX.bias of a linear; the deviation keeps sums at the size of their input. */
static void
put_linear (struct writer *w, const char *prefix, uint32_t out, uint32_t in, bool bias)
{
  char name[96];
  snprintf (name, sizeof name, "%s.weight", prefix);
  put (w, name, (uint32_t[]) { out, in, 0 }, 0, w->gain / sqrt (in));
  snprintf (name, sizeof name, "%s.bias", prefix);
  if (bias)
    put (w, name, (uint32_t[]) { out, 0 }, 0, 0.3);
}

static void
put_norm (struct writer *w, const char *prefix, uint32_t dim)
{
  char name[96];
  snprintf (name, sizeof name, "%s.weight", prefix);
  put (w, name, (uint32_t[]) { dim, 0 }, 1, 0.3);
  snprintf (name, sizeof name, "%s.bias", prefix);
  put (w, name, (uint32_t[]) { dim, 0 }, 0, 0.3);
}

static void
put_embedding (struct writer *w, const struct model_options *o)
{
  uint32_t positions = o->stored_width / o->patch_width * (o->stored_height / o->patch_height);
  if (!o->no_class_token)
    put (w, "cls_token", (uint32_t[]) { 1, 1, o->dim, 0 }, 0, 1);
  if (o->registers)
    put (w, "reg_token", (uint32_t[]) { 1, o->registers, o->dim, 0 }, 0, 1);
  if (!o->no_embed_class)
    positions += (o->no_class_token ? 0 : 1) + o->registers;
  put (w, "pos_embed", (uint32_t[]) { 1, positions, o->dim, 0 }, 0, 0.5);
  put (w, "patch_embed.proj.weight", (uint32_t[]) { o->dim, 3, o->patch_height, o->patch_width, 0 }, 0,
      w->gain / sqrt (3.0 * o->patch_height * o->patch_width));
  if (!o->pre_norm) /* timm leaves the bias out where a norm follows */
    put (w, "patch_embed.proj.bias", (uint32_t[]) { o->dim, 0 }, 0, 0.3);
  if (o->patch_norm)
    put_norm (w, "patch_embed.norm", o->dim);
  if (o->pre_norm)
    put_norm (w, "norm_pre", o->dim);
}

static void
put_block (struct writer *w, const struct model_options *o, uint32_t n)
{
  char name[64];
#define NAME(text) (snprintf (name, sizeof name, "blocks.%u.%s", n, text), name)
  put_norm (w, NAME ("norm1"), o->dim);
  put_linear (w, NAME ("attn.qkv"), 3 * o->dim, o->dim, !o->no_qkv_bias);
  put_linear (w, NAME ("attn.proj"), o->dim, o->dim, !o->no_proj_bias);
  if (o->layer_scale)
    put (w, NAME ("ls1.gamma"), (uint32_t[]) { o->dim, 0 }, 0.3, 0.1);
  put_norm (w, NAME ("norm2"), o->dim);
  put_linear (w, NAME ("mlp.fc1"), o->mlp_dim, o->dim, !o->no_proj_bias);
  put_linear (w, NAME ("mlp.fc2"), o->dim, o->mlp_dim, !o->no_proj_bias);
  if (o->layer_scale)
    put (w, NAME ("ls2.gamma"), (uint32_t[]) { o->dim, 0 }, 0.3, 0.1);
#undef NAME
}

static void
put_head (struct writer *w, const struct model_options *o)
{
  bool pool_norm = o->fc_norm ? o->fc_norm > 0 : o->average;
  if (!o->no_final_norm)
    put_norm (w, pool_norm ? "fc_norm" : "norm", o->dim);
  if (o->head == MODEL_HEAD_TANH)
    put_linear (w, "pre_logits.fc", o->hidden, o->dim, true);
  if (o->head == MODEL_HEAD_MLP) {
    put_norm (w, "head.0", o->dim);
    put_linear (w, "head.1", o->hidden, o->dim, true);
  }
  put_linear (w, o->head == MODEL_HEAD_MLP ? "head.3" : "head", o->classes,
      o->head == MODEL_HEAD_LINEAR ? o->dim : o->hidden, true);
}

static void
write_weights (const char *folder, const struct model_options *o, uint64_t seed)
{
  struct writer w = { .data = tmpfile (),
    .header = check_alloc (MAX_HEADER, 1),
    .dtype = o->dtype,
    .gain = o->gain,
    .rng = { seed } };
  REQUIRE (w.data);
  put_embedding (&w, o);
  for (uint32_t n = 0; n < o->depth; n++)
    put_block (&w, o, n);
  put_head (&w, o);
  put_header (&w, "}");
  while (w.length % 8)
    put_header (&w, " ");

  FILE *out = open_file (folder, "model.safetensors");
  uint8_t size[8];
  for (int i = 0; i < 8; i++)
    size[i] = (uint8_t) ((uint64_t) w.length >> 8 * i);
  REQUIRE (fwrite (size, 8, 1, out) == 1 && fwrite (w.header, w.length, 1, out) == 1);
  rewind (w.data);
  for (int c; (c = getc (w.data)) != EOF;)
    putc (c, out);
  REQUIRE (fclose (out) == 0);
  fclose (w.data);
  free (w.header);
}

static void
write_config (const char *folder, const struct model_options *o)
{
  FILE *f = open_file (folder, "config.json");
  fprintf (f, "{\"architecture\": \"vit_tiny_patch16_224\", \"num_classes\": %u,\n \"model_args\": {", o->classes);
  fprintf (f, "\"img_size\": [%u, %u], \"patch_size\": [%u, %u], ", o->image_height, o->image_width, o->patch_height,
      o->patch_width);
  fprintf (f, "\"embed_dim\": %u, \"depth\": %u, \"num_heads\": %u, ", o->dim, o->depth, o->heads);
  fprintf (f, "\"mlp_ratio\": %.12g", (o->mlp_dim + 0.5) / o->dim); /* timm rounds the product down */
  if (o->no_class_token)
    fprintf (f, ", \"class_token\": false");
  if (o->no_embed_class)
    fprintf (f, ", \"no_embed_class\": true");
  if (o->registers)
    fprintf (f, ", \"reg_tokens\": %u", o->registers);
  if (o->patch_norm)
    fprintf (f, ", \"patch_norm\": true");
  if (o->pre_norm)
    fprintf (f, ", \"pre_norm\": true");
  if (o->layer_scale)
    fprintf (f, ", \"init_values\": 0.1");
  if (o->average)
    fprintf (f, ", \"global_pool\": \"avg\"");
  if (o->no_qkv_bias)
    fprintf (f, ", \"qkv_bias\": false");
  if (o->no_proj_bias)
    fprintf (f, ", \"proj_bias\": false");
  if (o->no_final_norm)
    fprintf (f, ", \"final_norm\": false");
  if (o->fc_norm)
    fprintf (f, ", \"fc_norm\": %s", o->fc_norm > 0 ? "true" : "false");
  if (o->qk_scale != 0)
    fprintf (f, ", \"qk_scale\": %.9g", o->qk_scale);
  if (o->act)
    fprintf (f, ", \"act_layer\": \"%s\"", o->act);
  if (o->head == MODEL_HEAD_TANH)
    fprintf (f, ", \"representation_size\": %u", o->hidden);
  if (o->head == MODEL_HEAD_MLP)
    fprintf (f, ", \"head\": \"mlp\"");
  fprintf (f, "},\n \"pretrained_cfg\": {\"input_size\": [3, %u, %u], ", o->image_height, o->image_width);
  fprintf (f, "\"interpolation\": \"bilinear\", \"crop_pct\": 1.0, \"crop_mode\": \"squash\", ");
  fprintf (f, "\"mean\": [0.5, 0.4, 0.6], \"std\": [0.2, 0.3, 0.25], \"num_classes\": %u}}\n", o->classes);
  REQUIRE (fclose (f) == 0);
}

static uint32_t
value_or (uint32_t value, uint32_t fallback)
{
  return value ? value : fallback;
}

void
make_model (const char *folder, const struct model_options *options, uint64_t seed)
{
  struct model_options o = *options;
  o.image_width = value_or (o.image_width, 32);
  o.image_height = value_or (o.image_height, 32);
  o.stored_width = value_or (o.stored_width, o.image_width);
  o.stored_height = value_or (o.stored_height, o.image_height);
  o.patch_width = value_or (o.patch_width, 8);
  o.patch_height = value_or (o.patch_height, 8);
  o.dim = value_or (o.dim, 16);
  o.depth = value_or (o.depth, 2);
  o.heads = value_or (o.heads, 2);
  o.mlp_dim = value_or (o.mlp_dim, 2 * o.dim);
  o.classes = value_or (o.classes, 7);
  o.hidden = value_or (o.hidden, 12);
  o.gain = o.gain > 0 ? o.gain : 1;
  write_config (folder, &o);
  write_weights (folder, &o, seed);
}
