// Stored element types: every tensor is float or half (weights: or a byte) in memory and float in registers.
// SPDX-License-Identifier: LGPL-2.1-or-later
// A kernel compiles once per combination of X_F16, W_F16 or W_I8, and Y_F16; STORE_F16 means all of them.
#ifdef STORE_F16
#define X_F16
#define W_F16
#define Y_F16
#endif
#if defined(X_F16) || defined(W_F16) || defined(Y_F16)
#extension GL_EXT_shader_16bit_storage : require
#endif

#ifdef X_F16
#define X_DATA float16_t
#else
#define X_DATA float
#endif
#if defined(W_I8) // four to a word: no device needs to know bytes
#define W_DATA uint
#define W_LOAD(w, i) float (bitfieldExtract (int (w[(i) / 4]), int ((i) % 4 * 8), 8))
#elif defined(W_F16)
#define W_DATA float16_t
#define W_LOAD(w, i) float (w[i])
#else
#define W_DATA float
#define W_LOAD(w, i) float (w[i])
#endif
#ifdef Y_F16
#define Y_DATA float16_t
#define Y_VEC4 f16vec4
#define Y_STORE4(v) f16vec4 (clamp (v, vec4 (-65504.0), vec4 (65504.0)))
// Real checkpoints have activations beyond half's range in a few channels: saturate, never store infinity.
#define Y_STORE(v) float16_t (clamp (v, -65504.0, 65504.0))
#else
#define Y_DATA float
#define Y_VEC4 vec4
#define Y_STORE4(v) (v)
#define Y_STORE(v) (v)
#endif
