/* config.json as transformers writes it: ViTForImageClassification, DeiTForImageClassification and ...WithTeacher. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/error.h"
#include "model/reader.h"

/* The defaults of ViTConfig and DeiTConfig: save_pretrained leaves none out, but people do. */
static const struct {
  const char *key;
  uint32_t fallback;
} sizes[] = { { "hidden_size", 768 }, { "num_hidden_layers", 12 }, { "intermediate_size", 3072 },
  { "num_channels", 3 } };

static bool
check_type (const struct vit_config *c, const struct object *root, vit_error *err)
{
  const char *type = "(none)", *class = NULL;
  if (!object_string (root, "model_type", &type, NULL, err))
    return false;
  if (strcmp (type, "vit") != 0 && strcmp (type, "deit") != 0)
    return fail (err, VIT_ERR_FORMAT,
        "%s: model_type '%.60s' is not supported; supported are 'vit' and 'deit' as "
        "transformers saves them, and timm's VisionTransformer",
        root->file, type);
  const json_t *classes = json_object_get (root->json, "architectures");
  if (json_is_array (classes) && json_array_size (classes) > 0)
    class = json_string_value (json_array_get (classes, 0));
  bool teacher = class && strcmp (class, "DeiTForImageClassificationWithTeacher") == 0;
  if (class && !teacher && strcmp (class, "ViTForImageClassification") != 0
      && strcmp (class, "DeiTForImageClassification") != 0)
    return fail (err, VIT_ERR_FORMAT,
        "%s: architecture '%.60s' is not supported, expected ViTForImageClassification, DeiTForImageClassification or "
        "DeiTForImageClassificationWithTeacher; fine-tune and save it as one of these",
        root->file, class);
  if (class && teacher != c->distilled)
    return fail (err, VIT_ERR_FORMAT,
        "%s: architecture '%.60s' has %s, but the tensors make it %s; use the config.json that belongs to these "
        "weights",
        root->file, class, teacher ? "two heads, cls_classifier and distillation_classifier" : "one head",
        c->distilled ? "two" : "one");
  return true;
}

static bool
check_sizes (const struct vit_config *c, const struct source *s, const struct object *root, vit_error *err)
{
  const uint32_t seen[] = { c->dim, c->depth, c->mlp_dim, 3 };
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    uint32_t stated = sizes[i].fallback;
    if (!object_u32 (root, sizes[i].key, 1, UINT32_MAX, &stated, NULL, err)
        || !config_agree (root, sizes[i].key, stated, seen[i], s, err))
      return false;
  }
  uint32_t height = 16, width = 16;
  return object_pair (root, "patch_size", PATCH_MAX, &height, &width, NULL, err)
      && config_agree (root, "patch_size", height, c->patch_height, s, err)
      && config_agree (root, "patch_size", width, c->patch_width, s, err);
}

static bool
read_act (struct vit_config *c, const struct object *root, vit_error *err)
{
  static const struct {
    const char *name;
    enum act act;
  } acts[] = {
    { "gelu", ACT_GELU_ERF },
    { "gelu_python", ACT_GELU_ERF },
    { "gelu_new", ACT_GELU_TANH },
    { "gelu_fast", ACT_GELU_TANH },
    { "gelu_pytorch_tanh", ACT_GELU_TANH },
    { "gelu_accurate", ACT_GELU_TANH },
    { "gelu_python_tanh", ACT_GELU_TANH },
    { "quick_gelu", ACT_GELU_QUICK },
    { "relu", ACT_RELU },
  };
  const char *name = "gelu";
  if (!object_string (root, "hidden_act", &name, NULL, err))
    return false;
  for (size_t i = 0; i < sizeof acts / sizeof *acts; i++) {
    if (strcmp (name, acts[i].name) == 0) {
      c->act = acts[i].act;
      return true;
    }
  }
  return fail (err, VIT_ERR_FORMAT,
      "%s: hidden_act '%.40s' is not supported; supported are gelu, gelu_new, "
      "gelu_pytorch_tanh, quick_gelu and relu",
      root->file, name);
}

bool
config_transformers (struct vit_config *c, struct claims *claims, const struct source *s, const struct object *root,
    vit_error *err)
{
  if (!check_type (c, root, err))
    return false;
  if (s->layout != LAYOUT_TRANSFORMERS)
    return fail (err, VIT_ERR_FORMAT,
        "%s: describes a transformers model, but the tensors in %s have timm's names; "
        "use the config.json that belongs to these weights",
        root->file, weights_path (s->weights));
  const char *type = json_string_value (json_object_get (root->json, "model_type"));
  const json_t *classes = json_object_get (root->json, "architectures");
  const char *name = json_string_value (json_array_get (classes, 0));
  config_text (c->name, sizeof c->name, name ? name : type);
  config_text (c->family, sizeof c->family, "transformers");
  if (!check_sizes (c, s, root, err) || !read_act (c, root, err) || !config_eps (root, "layer_norm_eps", c, err))
    return false;
  claims->heads = 12;
  claims->stored_height = claims->stored_width = 224;
  uint32_t labels = c->classes;
  return object_u32 (root, "num_attention_heads", 1, HEADS_MAX, &claims->heads, NULL, err)
      && object_u32 (root, "head_dim", 1, UINT32_MAX, &claims->head_dim, NULL, err)
      && object_pair (root, "image_size", IMAGE_MAX, &claims->stored_height, &claims->stored_width, NULL, err)
      && object_u32 (root, "num_labels", 1, UINT32_MAX, &labels, NULL, err)
      && config_agree (root, "num_labels", labels, c->classes, s, err)
      && config_agree_part (root, "qkv_bias", c->qkv_bias, "attention.query.bias", s, err);
}
