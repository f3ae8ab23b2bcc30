// The activations of a linear's epilogue.
// SPDX-License-Identifier: LGPL-2.1-or-later

// x Phi (x) = max (x, 0) - a Phi (-a), where a = |x| and Phi is the normal distribution's. log2 (Phi (-a)) is all but a
// parabola: this polynomial, fitted for the least error in the product, leaves 4.6e-7, and falls for ever.
float
gelu (float x)
{
  float a = abs (x);
  float log_phi = -1.0000377
      + a * (-1.1507878 + a * (-0.45999238 + a * (-0.051827453 + a * (0.007084586 - a * 0.00047331356))));
  return max (x, 0.0) - a * exp2 (log_phi);
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
    return gelu (x);
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
