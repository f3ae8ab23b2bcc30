/* config.json as timm pushes it for VisionTransformer: architecture, model_args, pretrained_cfg. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "model/reader.h"

/*
 * timm's entry points fix facts that neither config.json nor a tensor shows: the key `architecture` stands for them.
 * Rows add up, a later one wins, model_args come after them all. Where no row fits, the rules hold: heads by width,
 * eps 1e-6, GELU. tests/golden/timm_architectures.py compares the table with every plain ViT that timm knows.
 */
static const struct entry_point {
  const char *start;    /* the architecture begins with this, */
  const char *contains; /* and this is somewhere in it */
  uint32_t heads;
  float eps;
  enum act act;
  const char *refused;
} entry_points[] = {
  { "vit_", "_xsmall_", .heads = 4 },
  { "vit_", "_tiny_", .heads = 3 },
  { "deit_tiny_", "", .heads = 3 },
  { "vit_", "_little_", .heads = 5 },
  { "vit_", "_small_", .heads = 6 },
  { "deit_small_", "", .heads = 6 },
  { "deit3_small_", "", .heads = 6 },
  { "vit_", "_medium_", .heads = 8 },
  { "deit3_medium_", "", .heads = 8 },
  { "vit_", "_betwixt_", .heads = 10 },
  { "vit_", "_base_", .heads = 12 },
  { "deit_base_", "", .heads = 12 },
  { "deit3_base_", "", .heads = 12 },
  { "vit_base_", "_plus_", .heads = 14 },
  { "vit_base_patch16_gap_", "", .heads = 16 },
  { "vit_", "_large_", .heads = 16 },
  { "deit3_large_", "", .heads = 16 },
  { "eva_large_patch14_", "", .heads = 16 },
  { "vit_so400m_", "", .heads = 16 },
  { "vit_", "_huge_", .heads = 16 },
  { "deit3_huge_", "", .heads = 16 },
  { "vit_", "_giant_", .heads = 16 },
  { "vit_giantopt_", "", .heads = 16 },
  { "vit_giant_patch16_radio_", "", .heads = 24 },
  { "vit_", "_gigantic_", .heads = 16 },
  { "vit_wee_", "", .heads = 4 },
  { "vit_mediumd_", "", .heads = 8 },
  { "vit_so150m_", "", .heads = 14 },
  { "vit_so150m2_", "", .heads = 13 },
  { "vit_intern300m_", "", .heads = 16 },
  { "flexivit_small", "", .heads = 6 },
  { "flexivit_base", "", .heads = 12 },
  { "flexivit_large", "", .heads = 16 },
  { "test_vit", "", .heads = 2 },
  { "vit_", "_clip_", .eps = 1e-5f },
  { "vit_", "_clip_quickgelu_", .act = ACT_GELU_QUICK },
  { "vit_base_patch32_siglip_gap_", "", .act = ACT_GELU_TANH },
  { "vit_large_patch16_siglip_gap_512", "", .act = ACT_GELU_TANH },
  { "vit_so400m_patch16_siglip_gap_", "", .act = ACT_GELU_TANH },
  { "vit_giantopt_patch16_siglip_gap_", "", .act = ACT_GELU_TANH },
  { "vit_", "_rpn_", .refused = "its norms after attention and MLP" },
  { "vit_pe_", "", .refused = "a rotary position embedding" },
};

/* model_args that change what is computed in ways no kernel here knows. */
static const char *const refused_if_true[] = { "qk_norm", "scale_attn_norm", "scale_mlp_norm", "gated" };
static const char *const refused_if_given[] = { "block_fn", "mlp_layer", "embed_layer" };
/* ... that are read below, or matter in training only. */
static const char *const known[] = {
  "img_size",
  "patch_size",
  "in_chans",
  "num_classes",
  "global_pool",
  "embed_dim",
  "depth",
  "num_heads",
  "mlp_ratio",
  "qkv_bias",
  "proj_bias",
  "init_values",
  "class_token",
  "no_embed_class",
  "reg_tokens",
  "pre_norm",
  "final_norm",
  "fc_norm",
  "pool_include_prefix",
  "dynamic_img_size",
  "dynamic_img_pad",
  "pos_embed",
  "embed_norm_layer",
  "norm_layer",
  "act_layer",
  "attn_layer",
  "qk_scale",
  "patch_norm",
  "representation_size",
  "head",
  "head_hidden_size",
  "head_dim",
  "norm_eps",
  "drop_rate",
  "pos_drop_rate",
  "patch_drop_rate",
  "proj_drop_rate",
  "attn_drop_rate",
  "drop_path_rate",
  "weight_init",
  "fix_init",
  "strict_img_size",
  "device",
  "dtype",
};

static bool
listed (const char *const *names, size_t n, const char *name)
{
  for (size_t i = 0; i < n; i++) {
    if (strcmp (names[i], name) == 0)
      return true;
  }
  return false;
}

#define LISTED(names, name) listed (names, sizeof names / sizeof *names, name)

/* An unknown argument could mean another network: better refused than wrong. */
static bool
check_keys (const struct object *args, vit_error *err)
{
  const char *key;
  json_t *value;
  char text[80];
  json_object_foreach ((json_t *) args->json, key, value) {
    bool given = !json_is_null (value), set = given && !json_is_false (value);
    if ((LISTED (refused_if_true, key) && set) || (LISTED (refused_if_given, key) && given))
      return fail (err, VIT_ERR_FORMAT,
          "%s: model_args.%s is %s, which is not supported: only timm's plain "
          "VisionTransformer is",
          args->file, key, object_text (text, sizeof text, value));
    if (set && !LISTED (refused_if_true, key) && !LISTED (known, key))
      return fail (err, VIT_ERR_FORMAT,
          "%s: model_args.%.60s (%s) is not known, so the network could be another one; "
          "remove the key if it changes nothing",
          args->file, key, object_text (text, sizeof text, value));
  }
  return true;
}

static bool
read_architecture (struct vit_config *c, struct claims *claims, const struct object *root, vit_error *err)
{
  const char *name = "VisionTransformer";
  if (!object_string (root, "architecture", &name, NULL, err))
    return false;
  config_text (c->name, sizeof c->name, name);
  for (size_t i = 0; i < sizeof entry_points / sizeof *entry_points; i++) {
    const struct entry_point *e = &entry_points[i];
    size_t n = strlen (e->start);
    if (strncmp (name, e->start, n) != 0 || !strstr (name, e->contains))
      continue;
    if (e->refused)
      return fail (err, VIT_ERR_FORMAT,
          "%s: architecture '%.60s' has %s, which is not supported: only timm's plain "
          "VisionTransformer is",
          root->file, name, e->refused);
    claims->heads = e->heads ? e->heads : claims->heads;
    c->eps = e->eps > 0 ? e->eps : c->eps;
    c->act = e->act != ACT_NONE ? e->act : c->act;
  }
  return true;
}

static bool
check_sizes (const struct vit_config *c, const struct source *s, const struct object *args, vit_error *err)
{
  const struct {
    const char *key;
    uint32_t seen;
  } sizes[] = { { "embed_dim", c->dim }, { "depth", c->depth }, { "num_classes", c->classes },
    { "reg_tokens", s->registers }, { "in_chans", 3 } };
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    uint32_t stated = sizes[i].seen;
    if (!object_u32 (args, sizes[i].key, 0, UINT32_MAX, &stated, NULL, err)
        || !config_agree (args, sizes[i].key, stated, sizes[i].seen, s, err))
      return false;
  }
  uint32_t height = c->patch_height, width = c->patch_width;
  if (!object_pair (args, "patch_size", PATCH_MAX, &height, &width, NULL, err)
      || !config_agree (args, "patch_size", height, c->patch_height, s, err)
      || !config_agree (args, "patch_size", width, c->patch_width, s, err))
    return false;
  double ratio = 0;
  bool given;
  if (!object_number (args, "mlp_ratio", &ratio, &given, err))
    return false;
  if (given && !(ratio > 0 && ratio * c->dim >= 1 && ratio * c->dim < UINT32_MAX))
    return fail (err, VIT_ERR_FORMAT, "%s: model_args.mlp_ratio is %g, expected a positive number", args->file, ratio);
  /* as timm: int (embed_dim * mlp_ratio) */
  return !given || (uint32_t) (c->dim * ratio) == c->mlp_dim
      || fail (err, VIT_ERR_FORMAT,
          "%s: model_args.mlp_ratio is %g, which makes an MLP of width %u, but the tensors "
          "in %s make it %u; use the config.json that belongs to these weights",
          args->file, ratio, (uint32_t) (c->dim * ratio), weights_path (s->weights), c->mlp_dim);
}

/* init_values: a number where there is layer scale, else null. embed_norm_layer: a norm's name where there is one. */
static bool
check_named_parts (const struct vit_config *c, const struct source *s, const struct object *args, vit_error *err)
{
  double init;
  bool given;
  const char *norm = "layernorm";
  if (!object_number (args, "init_values", &init, &given, err))
    return false;
  if (given && !c->layer_scale)
    return fail (err, VIT_ERR_FORMAT,
        "%s: model_args.init_values asks for layer scale, but %s has no tensor "
        "'blocks.0.ls1.gamma'; use the config.json that belongs to these weights",
        args->file, weights_path (s->weights));
  if (!object_string (args, "embed_norm_layer", &norm, &given, err))
    return false;
  if (strcmp (norm, "layernorm") != 0 && strcmp (norm, "layernormfp32") != 0)
    return fail (err, VIT_ERR_FORMAT, "%s: model_args.embed_norm_layer '%.40s' is not supported, expected layernorm",
        args->file, norm);
  if (given && !c->patch_norm)
    return fail (err, VIT_ERR_FORMAT,
        "%s: model_args.embed_norm_layer asks for a norm, but %s has no tensor "
        "'patch_embed.norm.weight'; use the config.json that belongs to these weights",
        args->file, weights_path (s->weights));
  return true;
}

static bool
check_parts (const struct vit_config *c, const struct source *s, const struct object *args, vit_error *err)
{
  bool any_norm = c->final_norm || c->pool_norm, final_norm = any_norm;
  return config_agree_part (args, "qkv_bias", c->qkv_bias, "blocks.0.attn.qkv.bias", s, err)
      && config_agree_part (args, "proj_bias", c->proj_bias, "blocks.0.attn.proj.bias", s, err)
      && config_agree_part (args, "class_token", s->has_class, "cls_token", s, err)
      && config_agree_part (args, "pre_norm", c->pre_norm, "norm_pre.weight", s, err)
      && config_agree_part (args, "patch_norm", c->patch_norm, "patch_embed.norm.weight", s, err)
      && config_agree_part (args, "final_norm", any_norm, c->pool_norm ? "fc_norm.weight" : "norm.weight", s, err)
      && object_bool (args, "final_norm", &final_norm, NULL, err)
      && (!final_norm || config_agree_part (args, "fc_norm", c->pool_norm, "fc_norm.weight", s, err))
      && check_named_parts (c, s, args, err);
}

static bool
check_head (struct vit_config *c, const struct source *s, const struct object *args, vit_error *err)
{
  static const char *const kinds[] = { [HEAD_LINEAR] = "linear", [HEAD_TANH] = "tanh", [HEAD_MLP] = "mlp" };
  const char *kind = kinds[c->head];
  uint32_t hidden = c->head_hidden;
  bool given;
  if (!object_string (args, "head", &kind, NULL, err)
      || !object_u32 (args, "representation_size", 1, UINT32_MAX, &hidden, &given, err))
    return false;
  if (given)
    kind = kinds[HEAD_TANH];
  if (strcmp (kind, kinds[c->head]) != 0)
    return fail (err, VIT_ERR_FORMAT,
        "%s: model_args asks for a head of kind '%.40s', but the tensors in %s make it "
        "'%s' (kinds: linear, tanh with pre_logits.fc and head, mlp with head.norm, head.fc1 and head.fc2)",
        args->file, kind, weights_path (s->weights), kinds[c->head]);
  if (given && !config_agree (args, "representation_size", hidden, c->head_hidden, s, err))
    return false;
  return object_u32 (args, "head_hidden_size", 1, UINT32_MAX, &hidden, NULL, err)
      && config_agree (args, "head_hidden_size", hidden, c->head_hidden, s, err);
}

static bool
read_layers (struct vit_config *c, const struct object *args, vit_error *err)
{
  static const struct {
    const char *name;
    enum act act;
  } acts[] = { { "gelu", ACT_GELU_ERF }, { "gelu_tanh", ACT_GELU_TANH }, { "quick_gelu", ACT_GELU_QUICK },
    { "relu", ACT_RELU } };
  const char *norm = "layernorm", *attention = "attn", *pos = "learn", *act = NULL;
  bool norm_given;
  if (!object_string (args, "norm_layer", &norm, &norm_given, err)
      || !object_string (args, "act_layer", &act, NULL, err)
      || !object_string (args, "attn_layer", &attention, NULL, err)
      || !object_string (args, "pos_embed", &pos, NULL, err))
    return false;
  if (strcmp (norm, "layernorm") != 0 && strcmp (norm, "layernormfp32") != 0)
    return fail (err, VIT_ERR_FORMAT, "%s: model_args.norm_layer '%.40s' is not supported, expected layernorm",
        args->file, norm);
  if (strcmp (attention, "attn") != 0 || strcmp (pos, "learn") != 0)
    return fail (err, VIT_ERR_FORMAT,
        "%s: model_args.attn_layer '%.40s' with pos_embed '%.40s' is not supported, "
        "expected 'attn' with 'learn'",
        args->file, attention, pos);
  if (norm_given)
    c->eps = 1e-6f; /* of timm's own LayerNorm, whatever the entry point says */
  for (size_t i = 0; act && i < sizeof acts / sizeof *acts; i++) {
    if (strcmp (act, acts[i].name) == 0) {
      c->act = acts[i].act;
      act = NULL;
    }
  }
  if (act)
    return fail (err, VIT_ERR_FORMAT,
        "%s: model_args.act_layer '%.40s' is not supported; supported are gelu, "
        "gelu_tanh, quick_gelu and relu",
        args->file, act);
  return config_eps (args, "norm_eps", c, err);
}

static bool
read_pool (struct vit_config *c, const struct object *root, const struct object *args, vit_error *err)
{
  const char *pool = c->pool == POOL_MEAN ? "avg" : "token";
  bool with_prefix = false;
  if (!object_string (root, "global_pool", &pool, NULL, err) || !object_string (args, "global_pool", &pool, NULL, err)
      || !object_bool (args, "pool_include_prefix", &with_prefix, NULL, err))
    return false;
  if (strcmp (pool, "avg") != 0 && strcmp (pool, "token") != 0)
    return fail (err, VIT_ERR_FORMAT, "%s: global_pool '%.40s' is not supported, expected 'token' or 'avg'", root->file,
        pool);
  c->pool = strcmp (pool, "avg") == 0 ? POOL_MEAN : POOL_TOKEN;
  if (with_prefix && c->pool == POOL_MEAN && c->num_prefix)
    return fail (err, VIT_ERR_FORMAT,
        "%s: model_args.pool_include_prefix is true, which is not supported: the mean is "
        "taken over the patches alone",
        root->file);
  return true;
}

/* input_size: [channels, height, width] */
static bool
read_input_size (struct claims *claims, const struct object *pretrained, vit_error *err)
{
  const json_t *size = json_object_get (pretrained->json, "input_size");
  if (!size || json_is_null (size))
    return true;
  json_int_t v[3] = { 0 };
  for (size_t i = 0; i < 3 && json_array_size (size) == 3; i++)
    v[i] = json_integer_value (json_array_get (size, i));
  char text[80];
  if (v[0] != 3 || v[1] < 1 || v[2] < 1 || v[1] > IMAGE_MAX || v[2] > IMAGE_MAX)
    return fail (err, VIT_ERR_FORMAT,
        "%s: pretrained_cfg.input_size is %s, expected [3, height, width] with sides "
        "from 1 to %d",
        pretrained->file, object_text (text, sizeof text, size), IMAGE_MAX);
  claims->stored_height = claims->image_height = (uint32_t) v[1];
  claims->stored_width = claims->image_width = (uint32_t) v[2];
  return true;
}

static bool
read_rest (struct vit_config *c, struct claims *claims, const struct object *root, const struct object *args,
    const struct object *pretrained, vit_error *err)
{
  bool no_embed = false;
  if (!object_bool (args, "no_embed_class", &no_embed, &claims->covers_given, err)
      || !object_number (args, "qk_scale", &claims->qk_scale, &claims->scale_given, err)
      || !object_u32 (args, "num_heads", 1, HEADS_MAX, &claims->heads, NULL, err)
      || !object_u32 (args, "head_dim", 1, UINT32_MAX, &claims->head_dim, NULL, err)
      || !read_input_size (claims, pretrained, err)
      || !object_pair (args, "img_size", IMAGE_MAX, &claims->image_height, &claims->image_width, NULL, err))
    return false;
  claims->covers = !no_embed;
  return read_layers (c, args, err) && read_pool (c, root, args, err);
}

bool
config_timm (struct vit_config *c, struct claims *claims, const struct source *s, const struct object *root,
    vit_error *err)
{
  struct object args, pretrained;
  if (!object_child (root, "model_args", "model_args.", &args, err)
      || !object_child (root, "pretrained_cfg", "pretrained_cfg.", &pretrained, err) || !check_keys (&args, err))
    return false;
  config_text (c->family, sizeof c->family, "timm");
  if (s->layout != LAYOUT_TIMM)
    return fail (err, VIT_ERR_FORMAT,
        "%s: describes a timm model, but the tensors in %s have transformers' names; use "
        "the config.json that belongs to these weights",
        root->file, weights_path (s->weights));
  if (s->has_dist && !c->distilled)
    return fail (err, VIT_ERR_FORMAT,
        "%s: has a distillation token (dist_token), but no head for it (head_dist.weight), which timm averages in; is "
        "the file complete?",
        weights_path (s->weights));
  uint32_t classes = c->classes;
  return read_architecture (c, claims, root, err)
      && object_u32 (root, "num_classes", 0, UINT32_MAX, &classes, NULL, err)
      && config_agree (root, "num_classes", classes, c->classes, s, err) && check_sizes (c, s, &args, err)
      && check_parts (c, s, &args, err) && check_head (c, s, &args, err)
      && read_rest (c, claims, root, &args, &pretrained, err);
}
