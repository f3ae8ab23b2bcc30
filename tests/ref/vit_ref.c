/* Plain-C twins of the kernels, in double. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ref/vit_ref.h"

#include <math.h>

double
ref_activation (uint32_t act, double x)
{
  switch (act) {
    case VIT_ACT_GELU_ERF:
      return 0.5 * x * (1 + erf (x * 0.70710678118654752440));
    case VIT_ACT_GELU_TANH:
      return 0.5 * x * (1 + tanh (0.79788456080286535588 * (x + 0.044715 * x * x * x)));
    case VIT_ACT_GELU_QUICK:
      return x / (1 + exp (-1.702 * x));
    case VIT_ACT_RELU:
      return x > 0 ? x : 0;
    case VIT_ACT_TANH:
      return tanh (x);
    default:
      return x;
  }
}

static void
norm_of (const double *x, size_t n, double eps, double *mean, double *scale)
{
  double var = 0;
  *mean = 0;
  for (size_t i = 0; i < n; i++)
    *mean += x[i] / n;
  for (size_t i = 0; i < n; i++)
    var += (x[i] - *mean) * (x[i] - *mean) / n;
  *scale = 1 / sqrt (var + eps);
}

void
ref_linear (const struct linear_params *p, const double *x, const double *w, const double *bias, double *y)
{
  for (size_t r = 0; r < p->rows; r++)
    for (size_t n = 0; n < p->out_dim; n++) {
      const double *xr = x + p->x_first + r * p->x_stride, *wn = w + n * p->in_dim;
      double sum = p->bias_rows ? bias[r % p->bias_rows * p->out_dim + n] : 0, mean = 0, scale = 1;
      if (p->norm)
        norm_of (xr, p->in_dim, p->eps, &mean, &scale);
      for (size_t k = 0; k < p->in_dim; k++)
        sum += (xr[k] - mean) * scale * wn[k];
      double *out = &y[p->y_first + r * p->y_stride + n];
      *out = ref_activation (p->act, sum) + (p->add ? *out : 0);
    }
}

void
ref_layernorm (const struct layernorm_params *p, const double *x, const double *weight, const double *bias, double *y)
{
  for (size_t r = 0; r < p->rows; r++) {
    const double *xr = x + p->x_first + r * p->x_stride;
    double mean, scale;
    norm_of (xr, p->dim, p->eps, &mean, &scale);
    for (size_t c = 0; c < p->dim; c++)
      y[p->y_first + r * p->y_stride + c] = (xr[c] - mean) * scale * (weight ? weight[c] : 1) + (bias ? bias[c] : 0);
  }
}

void
ref_tokens (const struct tokens_params *p, const double *patches, const double *prefix, const double *pos, double *y)
{
  size_t num_patches = p->tokens - p->num_prefix, dim = p->dim;
  for (size_t b = 0; b < p->batch; b++)
    for (size_t t = 0; t < p->tokens; t++)
      for (size_t c = 0; c < dim; c++)
        y[(b * p->tokens + t) * dim + c] = pos[t * dim + c]
            + (t < p->num_prefix ? prefix[t * dim + c] : patches[(b * num_patches + t - p->num_prefix) * dim + c]);
}

/* One query against all keys of its image and head. q: (D), k, v: (T, D) with rows `stride` apart, out: (D) */
static void
attend (const struct attention_params *p, const double *q, const double *k, const double *v, double *out)
{
  size_t stride = p->qkv_stride;
  double max = -INFINITY, sum = 0;
  for (size_t pass = 0; pass < 2; pass++) {
    for (size_t d = 0; pass == 1 && d < p->head_dim; d++)
      out[d] = 0;
    for (size_t t = 0; t < p->tokens; t++) {
      double score = 0;
      for (size_t d = 0; d < p->head_dim; d++)
        score += q[d] * k[t * stride + d];
      score *= p->scale;
      if (pass == 0) {
        max = fmax (max, score);
        continue;
      }
      double weight = exp2 (score - max);
      sum += weight;
      for (size_t d = 0; d < p->head_dim; d++)
        out[d] += weight * v[t * stride + d];
    }
  }
  for (size_t d = 0; d < p->head_dim; d++)
    out[d] /= sum;
}

void
ref_attention (const struct attention_params *p, const double *qkv, double *out)
{
  size_t queries = p->queries ? p->queries : p->tokens;
  size_t width = (size_t) p->heads * p->head_dim; /* q, then k, then v of a token: each (H, D) */
  for (size_t b = 0; b < p->batch; b++)
    for (size_t t = 0; t < queries; t++)
      for (size_t h = 0; h < p->heads; h++) {
        const double *image = qkv + b * p->tokens * p->qkv_stride + h * p->head_dim;
        attend (p, image + t * p->qkv_stride, image + width, image + 2 * width,
            out + (b * queries + t) * p->out_stride + h * p->head_dim);
      }
}

void
ref_pool (const struct pool_params *p, const double *x, double *y)
{
  size_t dim = p->dim;
  for (size_t b = 0; b < p->batch; b++)
    for (size_t c = 0; c < dim; c++) {
      double sum = 0;
      for (size_t t = p->num_prefix; t < p->tokens; t++)
        sum += x[(b * p->tokens + t) * dim + c];
      y[b * dim + c] = sum / (p->tokens - p->num_prefix);
    }
}
