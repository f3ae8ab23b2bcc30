/* Activations of a linear's epilogue; legal C and legal GLSL. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_ACTIVATION_H
#define VIT_ACTIVATION_H

#define VIT_ACT_NONE       0u
#define VIT_ACT_GELU_ERF   1u
#define VIT_ACT_GELU_TANH  2u
#define VIT_ACT_GELU_QUICK 3u
#define VIT_ACT_RELU       4u
#define VIT_ACT_TANH       5u

#endif
