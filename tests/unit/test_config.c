/* Checkpoints: which facts are read from which files, and one clear error for each impossible one. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"
#include "files.h"
#include "model/checkpoint.h"

static const char *const timm_tensors[] = {
  "patch_embed.proj.weight F32 8,3,4,4",
  "patch_embed.proj.bias F32 8",
  "cls_token F32 1,1,8",
  "pos_embed F32 1,7,8",
  "blocks.0.norm1.weight F32 8",
  "blocks.0.norm1.bias F32 8",
  "blocks.0.attn.qkv.weight F32 24,8",
  "blocks.0.attn.qkv.bias F32 24",
  "blocks.0.attn.proj.weight F32 8,8",
  "blocks.0.attn.proj.bias F32 8",
  "blocks.0.norm2.weight F32 8",
  "blocks.0.norm2.bias F32 8",
  "blocks.0.mlp.fc1.weight F32 16,8",
  "blocks.0.mlp.fc1.bias F32 16",
  "blocks.0.mlp.fc2.weight F32 8,16",
  "blocks.0.mlp.fc2.bias F32 8",
  "norm.weight F32 8",
  "norm.bias F32 8",
  "head.weight F32 3,8",
  "head.bias F32 3",
};
static const char timm_config[] =
    "{\"architecture\": \"vit_test\", \"num_classes\": 3, \"global_pool\": \"token\","
    "\"label_names\": [\"cat\", \"dog\", \"owl\"], \"model_args\": {\"img_size\": [8, 12], \"num_heads\": 2},"
    "\"pretrained_cfg\": {\"input_size\": [3, 8, 12], \"crop_pct\": 0.9}}";

#define LAYER "vit.encoder.layer.0."
static const char *const vit_tensors[] = {
  "vit.embeddings.cls_token F32 1,1,8",
  "vit.embeddings.position_embeddings F32 1,5,8",
  "vit.embeddings.patch_embeddings.projection.weight F32 8,3,4,4",
  "vit.embeddings.patch_embeddings.projection.bias F32 8",
  LAYER "attention.attention.query.weight F32 8,8",
  LAYER "attention.attention.query.bias F32 8",
  LAYER "attention.attention.key.weight F32 8,8",
  LAYER "attention.attention.key.bias F32 8",
  LAYER "attention.attention.value.weight F32 8,8",
  LAYER "attention.attention.value.bias F32 8",
  LAYER "attention.output.dense.weight F32 8,8",
  LAYER "attention.output.dense.bias F32 8",
  LAYER "intermediate.dense.weight F32 16,8",
  LAYER "intermediate.dense.bias F32 16",
  LAYER "output.dense.weight F32 8,16",
  LAYER "output.dense.bias F32 8",
  LAYER "layernorm_before.weight F32 8",
  LAYER "layernorm_before.bias F32 8",
  LAYER "layernorm_after.weight F32 8",
  LAYER "layernorm_after.bias F32 8",
  "vit.layernorm.weight F32 8",
  "vit.layernorm.bias F32 8",
  "classifier.weight F32 3,8",
  "classifier.bias F32 3",
};
static const char vit_config[] =
    "{\"architectures\": [\"ViTForImageClassification\"], \"model_type\": \"vit\","
    "\"hidden_size\": 8, \"num_hidden_layers\": 1, \"num_attention_heads\": 2, \"intermediate_size\": 16,"
    "\"image_size\": 8, \"patch_size\": 4, \"id2label\": {\"0\": \"cat\", \"1\": \"dog\", \"2\": \"owl\"}}";
static const char vit_rules[] = "{\"image_processor_type\": \"ViTImageProcessor\", \"size\": {\"height\": 8,"
                                "\"width\": 8}}";

enum family { TIMM, VIT };

/* Writes one checkpoint: the family's, with config keys merged in, tensors taken away and added. */
struct variant {
  enum family family;
  const char *config; /* merged into config.json; "-": there is none */
  const char *rules;  /* merged into preprocessor_config.json; "-": there is none */
  const char *without;
  const char *with[4];
  size_t poison; /* number that becomes NaN, plus one */
};

static void
put_json (const char *name, const char *base, const char *more)
{
  remove (files_path (name));
  if (more && strcmp (more, "-") == 0)
    return;
  json_t *json = json_loads (base, 0, NULL), *update = json_loads (more ? more : "{}", 0, NULL);
  REQUIRE (json && update && json_object_update_recursive (json, update) == 0);
  char *text = json_dumps (json, 0);
  files_put_text (name, text);
  free (text);
  json_decref (json);
  json_decref (update);
}

static void
put_variant (const struct variant *v)
{
  const char *lines[32];
  size_t n = v->family == TIMM ? COUNT_OF (timm_tensors) : COUNT_OF (vit_tensors);
  memcpy (lines, v->family == TIMM ? timm_tensors : vit_tensors, n * sizeof *lines);
  for (size_t i = 0; v->without && i < n; i++) {
    if (strncmp (lines[i], v->without, strlen (v->without)) == 0)
      lines[i] = NULL;
  }
  for (size_t i = 0; i < COUNT_OF (v->with) && v->with[i]; i++)
    lines[n++] = v->with[i];
  files_put_tensors ("model.safetensors", lines, n, v->poison - 1);
  put_json ("config.json", v->family == TIMM ? timm_config : vit_config, v->config);
  put_json ("preprocessor_config.json", vit_rules, v->family == TIMM ? "-" : v->rules);
}

#define ARGS(text) "{\"model_args\": {" text "}}"
#define CFG(text)  "{\"pretrained_cfg\": {" text "}}"

static const struct {
  struct variant v;
  const char *expected; /* parts of the message, '|' between them */
} errors[] = {
  { { TIMM, "{\"model_type\": \"swin\", \"architecture\": null, \"pretrained_cfg\": null}" }, "config.json|swin" },
  { { TIMM, "{\"architecture\": null, \"pretrained_cfg\": null}" }, "neither 'architecture'" },
  { { TIMM, "{\"num_classes\": 4}" }, "config.json|num_classes is 4|model.safetensors make it 3" },
  { { TIMM, "{\"label_names\": [\"cat\"]}" }, "label_names has 1 labels|3 classes" },
  { { TIMM, "{\"label_names\": [\"cat\", \"dog\", 3]}" }, "class 2 is not a text" },
  { { TIMM, "{\"label_names\": 7}" }, "neither a list nor an object" },
  { { TIMM, "{\"global_pool\": \"map\"}" }, "global_pool 'map'" },
  { { TIMM, "{\"model_args\": 3}" }, "model_args is 3|an object" },
  { { TIMM, ARGS ("\"depth\": 2") }, "model_args.depth is 2|make it 1" },
  { { TIMM, ARGS ("\"embed_dim\": 16") }, "model_args.embed_dim is 16|make it 8" },
  { { TIMM, ARGS ("\"patch_size\": 8") }, "model_args.patch_size is 8|make it 4" },
  { { TIMM, ARGS ("\"mlp_ratio\": 4.0") }, "mlp_ratio|32|16" },
  { { TIMM, ARGS ("\"mlp_ratio\": -1") }, "mlp_ratio is -1" },
  { { TIMM, ARGS ("\"num_heads\": 3") }, "width 8 is not divisible by 3 heads" },
  { { TIMM, ARGS ("\"num_heads\": null") }, "how many heads|num_heads" },
  { { TIMM, ARGS ("\"num_heads\": \"two\"") }, "num_heads is \"two\"|whole number" },
  { { TIMM, ARGS ("\"head_dim\": 8") }, "heads of size 8|make it 4" },
  { { TIMM, ARGS ("\"img_size\": 10") }, "10x10 pixels|patches of 4x4" },
  { { TIMM, ARGS ("\"img_size\": 8192") }, "img_size is 8192|4096" },
  { { TIMM, ARGS ("\"img_size\": [8]") }, "img_size" },
  { { TIMM, ARGS ("\"in_chans\": 1") }, "in_chans is 1|make it 3" },
  { { TIMM, ARGS ("\"class_token\": false") }, "class_token is false|has a tensor 'cls_token'" },
  { { TIMM, ARGS ("\"reg_tokens\": 4") }, "reg_tokens is 4|make it 0" },
  { { TIMM, ARGS ("\"no_embed_class\": true") }, "7 rows" },
  { { TIMM, ARGS ("\"qkv_bias\": false") }, "qkv_bias is false|blocks.0.attn.qkv.bias" },
  { { TIMM, ARGS ("\"pre_norm\": true") }, "pre_norm is true|norm_pre.weight" },
  { { TIMM, ARGS ("\"patch_norm\": true") }, "patch_norm is true|patch_embed.norm.weight" },
  { { TIMM, ARGS ("\"fc_norm\": true") }, "fc_norm is true|has no tensor 'fc_norm.weight'" },
  { { TIMM, ARGS ("\"final_norm\": false") }, "final_norm is false|norm.weight" },
  { { TIMM, ARGS ("\"init_values\": 0.1") }, "init_values|ls1.gamma" },
  { { TIMM, ARGS ("\"representation_size\": 4") }, "kind 'tanh'|'linear'" },
  { { TIMM, ARGS ("\"head\": \"mlp\"") }, "kind 'mlp'|'linear'" },
  { { TIMM, ARGS ("\"qk_norm\": true") }, "model_args.qk_norm is true" },
  { { TIMM, ARGS ("\"block_fn\": \"ResPostBlock\"") }, "model_args.block_fn" },
  { { TIMM, ARGS ("\"norm_layer\": \"rmsnorm\"") }, "norm_layer 'rmsnorm'" },
  { { TIMM, ARGS ("\"act_layer\": \"silu\"") }, "act_layer 'silu'" },
  { { TIMM, ARGS ("\"pos_embed\": \"none\"") }, "pos_embed 'none'" },
  { { TIMM, ARGS ("\"window\": 7") }, "model_args.window (7) is not known" },
  { { TIMM, ARGS ("\"norm_eps\": 2") }, "norm_eps is 2" },
  { { TIMM, "{\"architecture\": \"vit_base_patch16_rpn_224\"}" }, "vit_base_patch16_rpn_224|not supported" },
  { { TIMM, ARGS ("\"global_pool\": \"avg\", \"pool_include_prefix\": true") }, "pool_include_prefix" },
  { { TIMM, CFG ("\"input_size\": [1, 8, 12]") }, "input_size is [1,8,12]|[3, height, width]" },
  { { TIMM, CFG ("\"crop_pct\": -0.5") }, "crop_pct -0.5" },
  { { TIMM, CFG ("\"crop_pct\": 1e-9") }, "crop_pct 1e-09" },
  { { TIMM, CFG ("\"crop_mode\": \"fit\"") }, "crop_mode 'fit'" },
  { { TIMM, CFG ("\"interpolation\": \"area\"") }, "interpolation 'area'" },
  { { TIMM, CFG ("\"std\": [0.5, 0.5, 0]") }, "deviation 0" },
  { { TIMM, CFG ("\"mean\": [0.5, 0.5]") }, "mean is [0.5,0.5]|three numbers" },
  { { TIMM, .without = "pos_embed" }, "no tensor 'pos_embed'|supported are" },
  { { TIMM, .without = "head" }, "no tensor 'head.weight'" },
  { { TIMM, .without = "blocks.0.norm1.bias" }, "no tensor 'blocks.0.norm1.bias'" },
  { { TIMM, .without = "patch_embed" }, "names are known|supported are" },
  { { TIMM, .without = "cls_token" }, "no class token" },
  { { TIMM, .with = { "blocks.1.norm1.weight F32 8" } }, "no tensor 'blocks.1.norm1.bias'" },
  { { TIMM, .with = { "blocks.2.norm1.weight F32 8" } }, "'blocks.2.norm1.weight' [8] has no place" },
  { { TIMM, .with = { "attn_pool.latent F32 1,1,8" } }, "'attn_pool.latent'|no place" },
  { { TIMM, .with = { "dist_token F32 1,1,8" } }, "dist_token|head_dist.weight" },
  { { TIMM, .with = { "head_dist.weight F32 3,8", "head_dist.bias F32 3" } }, "distillation token|no such token" },
  { { TIMM, .without = "head.bias", .with = { "head.bias F32 4" } }, "'head.bias' is [4], expected [3]" },
  { { TIMM, .without = "norm.bias", .with = { "norm.bias F64 8" } }, "'norm.bias' is F64|F32, F16 or BF16" },
  { { TIMM, .without = "pos_embed", .with = { "pos_embed F32 7,8" } }, "'pos_embed' is [7, 8], expected 3 dimensions" },
  { { TIMM, .without = "pos_embed", .with = { "pos_embed F32 1,6,8" } }, "" /* the patches alone: fits */ },
  { { TIMM, .without = "pos_embed", .with = { "pos_embed F32 1,9,8" } }, "" /* 3x3 of them: resized */ },
  { { TIMM, .without = "pos_embed", .with = { "pos_embed F32 1,8,8" } }, "8 rows" },
  { { TIMM, .without = "pos_embed", .with = { "pos_embed F32 1,7,9" } }, "[1, 7, 9], expected [1, 7, 8]" },
  { { TIMM, .without = "patch_embed.proj.weight", .with = { "patch_embed.proj.weight F32 8,1,4,4" } }, "1 channels" },
  { { TIMM, .without = "patch_embed.proj.weight", .with = { "patch_embed.proj.weight F32 8,3,65,4" } }, "1 to 64" },
  { { TIMM, .without = "head.weight", .with = { "head.weight F32 0,8" } }, "'head.weight' is [0, 8]" },
  { { TIMM, .without = "blocks.0.attn.qkv.weight", .with = { "blocks.0.attn.qkv.weight F32 25,8" } }, "25 rows" },
  { { TIMM, "-", .without = "-" }, "how many heads|config.json" },
  { { TIMM, .poison = 8 * 3 * 4 * 4 + 1 }, "'patch_embed.proj.bias' has NaN at [0]" },
  { { TIMM, .poison = 4 }, "'patch_embed.proj.weight' has NaN at [0, 0, 0, 3]" },

  { { VIT, "{\"model_type\": \"swin\"}" }, "config.json|model_type 'swin'|supported are 'vit'" },
  { { VIT, "{\"architectures\": [\"ViTModel\"]}" }, "'ViTModel'|ViTForImageClassification" },
  { { VIT, "{\"architectures\": [\"DeiTForImageClassificationWithTeacher\"]}" }, "WithTeacher|make it one" },
  { { VIT, .with = { "distillation_classifier.weight F32 3,8" } }, "'cls_classifier.weight'" },
  { { VIT, "{\"hidden_size\": 16}" }, "hidden_size is 16|make it 8" },
  { { VIT, "{\"num_hidden_layers\": null}" }, "num_hidden_layers is 12|make it 1" },
  { { VIT, "{\"intermediate_size\": 8}" }, "intermediate_size is 8|make it 16" },
  { { VIT, "{\"num_attention_heads\": 3}" }, "not divisible by 3 heads" },
  { { VIT, "{\"num_channels\": 1}" }, "num_channels is 1" },
  { { VIT, "{\"hidden_act\": \"silu\"}" }, "hidden_act 'silu'" },
  { { VIT, "{\"layer_norm_eps\": -1}" }, "layer_norm_eps is -1" },
  { { VIT, "{\"qkv_bias\": false}" }, "qkv_bias is false" },
  { { VIT, "{\"id2label\": {\"3\": \"ape\"}}" }, "id2label has 4 labels|3 classes" },
  { { VIT, "{\"id2label\": {\"2\": 4}}" }, "class 2 is not a text" },
  { { VIT, "{\"num_labels\": 2}" }, "num_labels is 2|make it 3" },
  { { VIT, "{\"image_size\": 16}" }, "" /* 2x2 is stored: a square, resized */ },
  { { VIT, NULL, "{\"do_resize\": false}" }, "preprocessor_config.json|do_resize is false" },
  { { VIT, NULL, "{\"size\": {\"height\": null, \"width\": null, \"shortest_edge\": 8}}" }, "do_center_crop" },
  { { VIT, NULL, "{\"size\": {\"longest_edge\": 8}}" }, "size is|shortest_edge" },
  { { VIT, NULL, "{\"size\": {\"width\": null}}" }, "size is" },
  { { VIT, NULL, "{\"size\": \"big\"}" }, "size is \"big\"" },
  { { VIT, NULL, "{\"size\": {\"height\": 9}}" }, "8x9 pixels|patches of 4x4" },
  { { VIT, NULL, "{\"image_std\": [0, 1, 1]}" }, "deviation 0" },
  { { VIT, NULL, "{\"rescale_factor\": 0}" }, "preprocessor_config.json" },
  { { VIT, NULL, "{\"resample\": 6}" }, "resample is 6" },
  { { VIT, NULL, "{\"do_pad\": true}" }, "do_pad" },
  { { VIT, NULL, "{\"image_processor_type\": \"ConvNextImageProcessor\"}" }, "ConvNextImageProcessor" },
  { { VIT, .without = LAYER "attention.attention.key.bias" },
      "no tensor "
      "'vit.encoder.layer.0.attention.attention.key" },
  { { VIT, .without = "classifier" }, "no tensor 'classifier.weight'" },
  { { VIT, .with = { "cls_classifier.weight F32 3,8" } }, "'cls_classifier.weight'|no place" },
};

/* Each part of `expected` (between '|') is in the text. */
static bool
has_parts (const char *text, const char *expected)
{
  char copy[256];
  snprintf (copy, sizeof copy, "%s", expected);
  for (char *part = strtok (copy, "|"); part; part = strtok (NULL, "|")) {
    if (!strstr (text, part))
      return false;
  }
  return true;
}

/* Opens and reads every slot; true when nothing failed. */
static bool
read_all (struct vit_config *cfg, struct vit_preprocess *p, vit_error *err)
{
  struct checkpoint *c = checkpoint_open (files_folder, err);
  bool ok = c != NULL;
  for (enum slot slot = 0; ok && slot < NUM_SLOTS; slot++) {
    const struct vit_config *k = checkpoint_config (c);
    for (uint32_t i = 0; slot_present (k, slot) && i < (slot_per_block (slot) ? k->depth : 1) && ok; i++) {
      float *out = malloc (slot_count (k, slot) * sizeof *out);
      REQUIRE (out);
      ok = checkpoint_read (c, slot, i, out, err);
      free (out);
    }
  }
  if (c) {
    *cfg = *checkpoint_config (c);
    *p = *checkpoint_preprocess (c);
  }
  checkpoint_close (&c);
  return ok;
}

static void
test_errors (void)
{
  for (size_t i = 0; i < COUNT_OF (errors); i++) {
    struct vit_config cfg;
    struct vit_preprocess p;
    vit_error err = { 0 };
    bool good = !*errors[i].expected;
    put_variant (&errors[i].v);
    bool ok = read_all (&cfg, &p, &err);
    if (ok != good || (!ok && (!has_parts (err.msg, errors[i].expected) || !strstr (err.msg, files_folder))))
      check_failed ("row %zu: '%s', expected '%s'", i, ok ? "opened" : err.msg, errors[i].expected);
  }
}

/* Facts that are read right: a number of the config, or of the preprocessing, in each row. */
#define CONFIG(field, number) offsetof (struct vit_config, field), -1, number
#define RULES(field, number)  -1, offsetof (struct vit_preprocess, field), number

static const struct {
  struct variant v;
  long config, rules; /* offset of a uint32_t, enum or float */
  double number;
  bool is_float;
} facts[] = {
  { { TIMM }, CONFIG (image_height, 8), false },
  { { TIMM }, CONFIG (image_width, 12), false },
  { { TIMM }, CONFIG (pos_grid_width, 3), false },
  { { TIMM }, CONFIG (heads, 2), false },
  { { TIMM }, CONFIG (qk_scale, 0.5), true },
  { { TIMM }, CONFIG (eps, 1e-6), true },
  { { TIMM, ARGS ("\"norm_eps\": 1e-3") }, CONFIG (eps, 1e-3), true },
  { { TIMM, ARGS ("\"qk_scale\": 0.3") }, CONFIG (qk_scale, 0.3), true },
  { { TIMM, ARGS ("\"qk_scale\": null") }, CONFIG (qk_scale, 0.5), true },
  { { TIMM, ARGS ("\"act_layer\": \"gelu_tanh\"") }, CONFIG (act, ACT_GELU_TANH), false },
  { { TIMM, "{\"global_pool\": \"avg\"}" }, CONFIG (pool, POOL_MEAN), false },
  { { TIMM, "{\"architecture\": \"vit_base_patch32_clip_quickgelu_224\"}" }, CONFIG (act, ACT_GELU_QUICK), false },
  { { TIMM, "{\"architecture\": \"vit_base_patch32_clip_quickgelu_224\"}" }, CONFIG (eps, 1e-5), true },
  { { TIMM, "{\"architecture\": \"test_vit\", \"model_args\": {\"num_heads\": null}}" }, CONFIG (heads, 2), false },
  { { TIMM, "{\"architecture\": \"vit_xsmall_patch16_clip_224\", \"model_args\": {\"num_heads\": null}}" },
      CONFIG (heads, 4), false },
  { { TIMM, ARGS ("\"img_size\": [4, 16]"), .with = { "reg_token F32 1,2,8" } }, CONFIG (num_prefix, 3), false },
  { { TIMM, .without = "pos_embed", .with = { "pos_embed F32 1,17,8" } }, CONFIG (pos_grid_height, 4), false },
  { { TIMM, .without = "blocks.0.attn.qkv",
        .with = { "blocks.0.attn.q.weight F32 8,8",
            "blocks.0.attn.k.weight F16 "
            "8,8",
            "blocks.0.attn.v.weight BF16 8,8" } },
      CONFIG (heads, 2), false },
  { { TIMM, .without = "head",
        .with = { "head.0.weight F32 8", "head.0.bias F32 8", "head.1.weight F32 5,8", "head.3.weight F32 3,5" } },
      CONFIG (head, HEAD_MLP), false },
  { { TIMM, .without = "head",
        .with = { "head.norm.weight F32 8", "head.norm.bias F32 8", "head.fc1.weight F32 5,8",
            "head.fc2.weight F32 3,5" } },
      CONFIG (head_hidden, 5), false },
  { { TIMM, .without = "head",
        .with = { "pre_logits.fc.weight F32 6,8", "pre_logits.fc.bias F32 6", "head.weight F32 3,6",
            "head.bias F32 3" },
        .config = ARGS ("\"representation_size\": 6") },
      CONFIG (head, HEAD_TANH), false },
  { { TIMM }, RULES (resize_width, 13), false },
  { { TIMM }, RULES (resize_height, 8), false },
  { { TIMM }, RULES (resize, VIT_RESIZE_SHORTEST), false },
  { { TIMM }, RULES (filter, VIT_FILTER_BICUBIC), false },
  { { TIMM }, RULES (mean[2], 0.406), true },
  { { TIMM, CFG ("\"crop_pct\": null") }, RULES (resize_width, 13), false },
  { { TIMM, CFG ("\"crop_mode\": \"squash\", \"interpolation\": \"random\"") }, RULES (filter, VIT_FILTER_BILINEAR),
      false },
  { { TIMM, CFG ("\"crop_mode\": \"border\"") }, RULES (resize, VIT_RESIZE_LONGEST), false },
  { { TIMM, CFG ("\"mean\": 0.25") }, RULES (mean[1], 0.25), true },

  { { VIT }, CONFIG (eps, 1e-12), true },
  { { VIT }, CONFIG (act, ACT_GELU_ERF), false },
  { { VIT }, CONFIG (pos_resample, POS_BICUBIC), false },
  { { VIT, "{\"head_dim\": 4}" }, CONFIG (head_dim, 4), false },
  { { VIT, "{\"hidden_act\": \"gelu_new\"}" }, CONFIG (act, ACT_GELU_TANH), false },
  { { VIT, "{\"image_size\": [8, 8], \"patch_size\": [4, 4]}" }, CONFIG (image_width, 8), false },
  { { VIT, .with = { "vit.pooler.dense.weight F32 8,8", "vit.pooler.dense.bias F32 8" } }, CONFIG (classes, 3), false },
  { { VIT, NULL, "{\"size\": {\"height\": 16, \"width\": 12}}" }, CONFIG (image_height, 16), false },
  { { VIT, NULL, "{\"size\": {\"height\": 16, \"width\": 12}}" }, CONFIG (pos_grid_height, 2), false },
  { { VIT, NULL, "{\"size\": 12}" }, RULES (resize, VIT_RESIZE_SQUASH), false },
  { { VIT, NULL,
        "{\"size\": 12, \"image_processor_type\": null, \"feature_extractor_type\": "
        "\"ViTFeatureExtractor\"}" },
      RULES (resize_width, 12), false },
  { { VIT, NULL,
        "{\"size\": {\"height\": null, \"width\": null, \"shortest_edge\": 9}, \"do_center_crop\": true,"
        "\"crop_size\": 8}" },
      RULES (resize, VIT_RESIZE_SHORTEST), false },
  { { VIT, NULL, "{\"size\": 9, \"image_processor_type\": \"CLIPImageProcessor\", \"crop_size\": 8}" },
      RULES (resize, VIT_RESIZE_SHORTEST), false },
  { { VIT, NULL, "{\"size\": 9, \"image_processor_type\": \"DeiTImageProcessor\", \"crop_size\": 8}" },
      RULES (filter, VIT_FILTER_BICUBIC), false },
  { { VIT, NULL, "{\"resample\": 0}" }, RULES (filter, VIT_FILTER_NEAREST), false },
  { { VIT, NULL, "{\"do_normalize\": false}" }, RULES (std[0], 1), true },
  { { VIT, NULL, "{\"rescale_factor\": 0.00784313725490196}" }, RULES (mean[0], 0.25), true },
  { { VIT, NULL, "{\"do_rescale\": false, \"image_mean\": [127.5, 127.5, 127.5]}" }, RULES (mean[0], 0.5), true },
  { { VIT, NULL, "-" }, RULES (filter, VIT_FILTER_BILINEAR), false },
};

static void
test_facts (void)
{
  for (size_t i = 0; i < COUNT_OF (facts); i++) {
    struct vit_config cfg;
    struct vit_preprocess p;
    vit_error err = { 0 };
    put_variant (&facts[i].v);
    if (!read_all (&cfg, &p, &err)) {
      check_failed ("fact %zu: %s", i, err.msg);
      continue;
    }
    const char *at = facts[i].config >= 0 ? (const char *) &cfg + facts[i].config : (const char *) &p + facts[i].rules;
    float f;
    uint32_t u;
    memcpy (&f, at, sizeof f);
    memcpy (&u, at, sizeof u);
    double found = facts[i].is_float ? (double) f : u;
    if (!check_is_close (found, facts[i].number, 1e-6, 0))
      check_failed ("fact %zu is %.9g, expected %.9g", i, found, facts[i].number);
  }
}

static void
test_labels (void)
{
  static const struct {
    struct variant v;
    const char *label; /* of class 1 */
  } rows[] = {
    { { TIMM }, "dog" },
    { { TIMM, "{\"label_names\": null}" }, "class 1" },
    { { TIMM, "{\"label_names\": null, \"pretrained_cfg\": {\"label_names\": [\"a\", \"b\", \"c\"]}}" }, "b" },
    { { TIMM, "{\"label_descriptions\": {\"dog\": \"a good dog\"}}" }, "a good dog" },
    { { TIMM, "{\"label_names\": null}" }, "class 1" },
    { { VIT }, "dog" },
    { { VIT, "{\"id2label\": null}" }, "class 1" },
  };
  for (size_t i = 0; i < COUNT_OF (rows); i++) {
    vit_error err = { 0 };
    put_variant (&rows[i].v);
    struct checkpoint *c = checkpoint_open (files_folder, &err);
    REQUIRE_OK (c, err);
    if (strcmp (checkpoint_label (c, 1), rows[i].label) != 0)
      check_failed ("label %zu is '%s', expected '%s'", i, checkpoint_label (c, 1), rows[i].label);
    REQUIRE (!checkpoint_label (c, 3));
    checkpoint_close (&c);
  }
}

/* Class token, then registers; q, k and v one after the other; the class row of the position embedding kept. */
static void
test_order (void)
{
  vit_error err = { 0 };
  struct variant timm = { TIMM, ARGS ("\"img_size\": [4, 20]"), .with = { "reg_token F32 1,1,8" } };
  put_variant (&timm);
  struct checkpoint *c = checkpoint_open (files_folder, &err);
  REQUIRE_OK (c, err);
  float prefix[2 * 8], pos[7 * 8];
  REQUIRE_OK (checkpoint_read (c, SLOT_PREFIX, 0, prefix, &err), err);
  REQUIRE_OK (checkpoint_read (c, SLOT_POS, 0, pos, &err), err);
  size_t class_at = 8 * 48 + 8, pos_at = class_at + 8, total = 0;
  for (size_t i = 0; i < COUNT_OF (timm_tensors); i++) {
    json_t *unused = json_object ();
    size_t bytes = 0;
    total += files_add_entry (unused, timm_tensors[i], &bytes);
    json_decref (unused);
  }
  for (size_t i = 0; i < 8; i++) {
    REQUIRE_CLOSE (prefix[i], files_number (class_at + i), 0, 0);
    REQUIRE_CLOSE (prefix[8 + i], files_number (total + i), 0, 0);
  }
  for (size_t i = 0; i < 56; i++)
    REQUIRE_CLOSE (pos[i], files_number (pos_at + i), 0, 0);
  REQUIRE (!checkpoint_read (c, SLOT_QKV_W, 1, pos, &err) && err.code == VIT_ERR_ARG);
  checkpoint_close (&c);
  struct variant vit = { VIT };
  put_variant (&vit);
  c = checkpoint_open (files_path ("model.safetensors"), &err);
  REQUIRE_OK (c, err);
  float qkv[24];
  REQUIRE_OK (checkpoint_read (c, SLOT_QKV_B, 0, qkv, &err), err);
  size_t query = 8 + 40 + 8 * 48 + 8 + 64;
  for (size_t i = 0; i < 8; i++) {
    REQUIRE_CLOSE (qkv[i], files_number (query + i), 0, 0);
    REQUIRE_CLOSE (qkv[8 + i], files_number (query + 72 + i), 0, 0);
    REQUIRE_CLOSE (qkv[16 + i], files_number (query + 144 + i), 0, 0);
  }
  checkpoint_close (&c);
}

static void
test_files (void)
{
  vit_error err = { 0 };
  struct variant v = { TIMM };
  REQUIRE (!checkpoint_open ("/nowhere/at/all", &err) && err.code == VIT_ERR_IO);
  put_variant (&v);
  files_put_text ("config.json", "version https://git-lfs.github.com/spec/v1\n");
  REQUIRE (!checkpoint_open (files_folder, &err));
  REQUIRE_TEXT (err.msg, "config.json: is a Git LFS pointer");
  files_put_text ("config.json", "{\"architecture\":");
  REQUIRE (!checkpoint_open (files_folder, &err));
  REQUIRE_TEXT (err.msg, "line 1");
  files_put_text ("config.json", "[]");
  REQUIRE (!checkpoint_open (files_folder, &err));
  REQUIRE_TEXT (err.msg, "not an object");
  files_clear ();
  put_json ("config.json", timm_config, NULL);
  REQUIRE (!checkpoint_open (files_folder, &err));
  REQUIRE_TEXT (err.msg, "no weights");
}

int
main (void)
{
  files_init ();
  test_errors ();
  test_facts ();
  test_labels ();
  test_order ();
  test_files ();
  return check_status ();
}
