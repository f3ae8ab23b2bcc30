// The activations of a linear's epilogue.
// SPDX-License-Identifier: LGPL-2.1-or-later

// erf by Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.26: |error| <= 1.5e-7.
float
erf (float x)
{
  float a = abs (x);
  float t = 1.0 / (1.0 + 0.3275911 * a);
  float poly = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  return sign (x) * (1.0 - poly * exp (-a * a));
}

float
tanh_safe (float x) // tanh overflows in some drivers beyond 40
{
  return tanh (clamp (x, -20.0, 20.0));
}

float
activate (float x, uint act)
{
  switch (act) {
  case VIT_ACT_GELU_ERF:
    return 0.5 * x * (1.0 + erf (x * 0.7071067811865475));
  case VIT_ACT_GELU_TANH: // Hendrycks and Gimpel, Gaussian Error Linear Units, equation 2
    return 0.5 * x * (1.0 + tanh_safe (0.7978845608028654 * (x + 0.044715 * x * x * x)));
  case VIT_ACT_GELU_QUICK:
    return x / (1.0 + exp (-clamp (1.702 * x, -80.0, 80.0)));
  case VIT_ACT_RELU:
    return max (x, 0.0);
  case VIT_ACT_TANH:
    return tanh_safe (x);
  }
  return x;
}

vec4
activate4 (vec4 x, uint act)
{
  return vec4 (activate (x.x, act), activate (x.y, act), activate (x.z, act), activate (x.w, act));
}
