/* vit.h - classify images with Vision Transformers in Vulkan compute shaders: the whole public API. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_VIT_H
#define VIT_VIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Three opaque objects in a chain, device -> model -> session. A child keeps its parent alive, so they may
 * be destroyed in any order. Every destroy takes a pointer to the caller's pointer, accepts NULL and sets NULL.
 *
 * Threads: a device and a model are immutable once made and may be shared by any number of threads. A session
 * belongs to one thread at a time, except that one may collect while another submits and reads the counters.
 * Nothing here calls back except the log function and, from within the call that it was given to and from that
 * call's own thread, the progress function.
 *
 * Errors: whatever can fail takes a caller-owned vit_error last (NULL: not wanted) and fills it only on failure.
 */

#ifdef __cplusplus
extern "C" {
#endif

#define VIT_API __attribute__ ((visibility ("default")))

enum vit_code {
  VIT_OK,
  VIT_ERR_ARG,         /* the caller's mistake */
  VIT_ERR_MEMORY,      /* host or device memory ran out; the message says how much was asked for */
  VIT_ERR_DEVICE_LOST, /* the driver gave up; make a new device */
  VIT_ERR_UNSUPPORTED, /* no Vulkan, no such device, or a limit of the device is too small */
  VIT_ERR_IO,          /* a file is missing or can't be read */
  VIT_ERR_FORMAT       /* a file was read and is not what it should be */
};

typedef struct vit_error {
  enum vit_code code;
  char msg[512]; /* one sentence for the user: what, where, found, expected, what to do */
} vit_error;

/* ---- device ---------------------------------------------------------------------------------------- */

enum vit_log_level { VIT_LOG_WARNING, VIT_LOG_INFO, VIT_LOG_DEBUG };

struct vit_device_params { /* zero means default everywhere */
  const char *select;      /* "auto", index, part of the name, "uuid:HEX", "pci:BB:DD.F" or "cpu"; NULL: auto */
  bool no_software;        /* refuse devices of type CPU */
  bool validate;           /* turn the validation layer on; its messages go to log as warnings */
  void *(*get_instance_proc_addr) (void *instance, const char *name); /* NULL: the system's libvulkan */
  const char *cache_dir; /* compiled pipelines; NULL: $XDG_CACHE_HOME/gst-vitclassify; "": none */
  void (*log) (void *ctx, enum vit_log_level level, const char *msg); /* may be called from any thread */
  void *log_ctx;
};

typedef struct vit_device vit_device;

/* Opens a Vulkan device: the best of its kind (discrete, integrated, virtual, CPU) with "auto". Blocks for the
 * driver's start. Fails with UNSUPPORTED (no driver, no such device: the message lists those that exist). */
VIT_API vit_device *vit_device_create (const struct vit_device_params *params, vit_error *err);
VIT_API void vit_device_destroy (vit_device **device);

enum vit_device_type {
  VIT_DEVICE_OTHER,
  VIT_DEVICE_INTEGRATED,
  VIT_DEVICE_DISCRETE,
  VIT_DEVICE_VIRTUAL,
  VIT_DEVICE_CPU
};

struct vit_device_info {
  char name[256];
  char driver[256];     /* driver name and version as the driver tells them */
  uint32_t api_version; /* Vulkan's packed version */
  enum vit_device_type type;
  uint8_t uuid[16];
  char pci[16]; /* "BB:DD.F", or empty */
  uint32_t subgroup_size;
  uint64_t memory_bytes; /* of the largest device-local heap */
  bool storage16;        /* 16-bit storage buffers: half-precision weights are possible */
  bool buffer_address;   /* buffer device addresses */
};
VIT_API void vit_device_get_info (const vit_device *device, struct vit_device_info *out);
/* What the device can do at best, for judging what it does: float multiply-adds in registers (2 operations each), and
 * bytes read plus bytes written by large copies. Measured within a second; blocks. Fails with MEMORY, DEVICE_LOST. */
struct vit_device_peak {
  double gflop_per_s, copy_gb_per_s;
};
VIT_API bool vit_device_measure_peak (vit_device *device, struct vit_device_peak *out, vit_error *err);
/* What the device's models and sessions hold of its memory now. */
struct vit_device_memory {
  uint64_t bytes;
  uint32_t allocations; /* of the driver; devices allow 4096 at least */
};
VIT_API void vit_device_get_memory (vit_device *device, struct vit_device_memory *out);
/* Lists the devices of this machine without opening one: fills at most `max` entries and returns how many exist,
 * or -1 on failure. validate, no_software, select and cache_dir of params are ignored. */
VIT_API int vit_device_list (const struct vit_device_params *params, struct vit_device_info *out, uint32_t max,
    vit_error *err);

/* ---- progress ---------------------------------------------------------------------------------------- */

/* What a long call is doing. Phases may run side by side. */
enum vit_phase {
  VIT_PHASE_LOAD,    /* reading, packing and uploading weights: layers */
  VIT_PHASE_COMPILE, /* making, running and checking kernels: kernels */
  VIT_PHASE_TUNE,    /* timing kernels against each other: layer shapes */
  VIT_NUM_PHASES
};
/* Of each phase that there is, a first call with done 0 and a last one with done == total, unless the call fails. */
typedef void (*vit_progress) (void *ctx, enum vit_phase phase, uint32_t done, uint32_t total);
/* "loading the weights", "compiling kernels", "tuning kernels": for a message to a user. NULL out of range. */
VIT_API const char *vit_phase_name (enum vit_phase phase);

/* ---- model ----------------------------------------------------------------------------------------- */

enum vit_precision {
  VIT_AUTO, /* F16 on a GPU with 16-bit storage, else F32 */
  VIT_F32,
  VIT_F16, /* weights and matrix operands in half; sums, statistics, residual stream and logits in float */
  VIT_I8   /* the blocks' weights as 8-bit integers with a scale for each output; patch embedding and head as F16 where
              the device has 16-bit storage, else as F32, as are the operands. Any device can */
};

typedef struct vit_model vit_model;

struct vit_model_params {       /* zero means default */
  enum vit_precision precision; /* one that the device lacks becomes F32 with a warning to log that says why */
  vit_progress progress;        /* NULL: not wanted */
  void *progress_ctx;
  uint32_t formats; /* 1 << VIT_FORMAT_..., or several, of the pictures that will probably come: where kernels that read
                       them can be made while the weights load, they are, and the first picture needn't wait; 0: none */
};

/* Loads a checkpoint: a folder as Hugging Face or timm writes it (config.json and safetensors), or a bare
 * .safetensors file. Blocks: reads the file, packs and uploads the weights.
 * Fails with IO, FORMAT (what the file has and what it should have), MEMORY, UNSUPPORTED. */
VIT_API vit_model *vit_model_load (vit_device *device, const char *path, const struct vit_model_params *params,
    vit_error *err);
VIT_API void vit_model_destroy (vit_model **model);

enum vit_resize { VIT_RESIZE_SQUASH, VIT_RESIZE_SHORTEST, VIT_RESIZE_LONGEST };
enum vit_filter {
  VIT_FILTER_NEAREST,
  VIT_FILTER_BOX,
  VIT_FILTER_BILINEAR,
  VIT_FILTER_HAMMING,
  VIT_FILTER_BICUBIC,
  VIT_FILTER_LANCZOS
};

/* Whose arithmetic turns the rules into whole pixels; the libraries differ by a pixel here and there. Those that resize
 * with PIL do so in Pillow 13's order: vertically first where that removes more than twice as many pixels as the other
 * way (tall pictures), else horizontally first. */
enum vit_rounding {
  VIT_ROUNDING_TIMM,            /* timm's transforms, on PIL: halves of a crop offset go to the even side */
  VIT_ROUNDING_TRANSFORMERS,    /* transformers' image processors on torchvision, its default: crop offsets round down,
                                    always horizontally first */
  VIT_ROUNDING_TRANSFORMERS_PIL /* ... on PIL: crop offsets round down, an odd padding is larger left and on top */
};

/* How a picture becomes the network's input: resize (antialiased, as PIL), centre crop or pad to input size,
 * then (value / 255 - mean) / std. All of it comes from the checkpoint. */
struct vit_preprocess {
  uint32_t width, height; /* pixels, the network's input */
  enum vit_resize resize;
  uint32_t resize_width, resize_height; /* pixels: both sides for SQUASH; the box for SHORTEST (each side at least)
                                           and LONGEST (each side at most), aspect ratio kept */
  enum vit_rounding rounding;
  enum vit_filter filter;
  uint8_t fill[3];       /* RGB outside the resized picture */
  float mean[3], std[3]; /* of RGB in 0..1 */
};

struct vit_model_info {
  char name[128];  /* the architecture as the checkpoint names it, or the file's name */
  char family[32]; /* "timm", "transformers" or "bare" */
  uint32_t patch_width, patch_height, tokens, dim, depth, heads, head_dim, mlp_dim, classes;
  struct vit_preprocess preprocess;
  uint64_t parameters;          /* numbers in the network */
  uint64_t weight_bytes;        /* of device memory held by this model */
  double flops;                 /* per image, 2 per multiply-add */
  enum vit_precision precision; /* the one in use: F32, F16 or I8 */
};
VIT_API void vit_model_get_info (const vit_model *model, struct vit_model_info *out);
/* The label of a class as the checkpoint has it, or "class N" where it has none; NULL when out of range. Borrowed. */
VIT_API const char *vit_model_label (const vit_model *model, uint32_t class_index);
/* Reads one label per line (CRLF, a byte-order mark and a blank last line are tolerated) into *labels, an array of
 * `expected` strings that the caller frees with vit_labels_free. A different count fails, naming both. */
VIT_API bool vit_labels_read (const char *path, uint32_t expected, char ***labels, vit_error *err);
VIT_API void vit_labels_free (char ***labels, uint32_t count);

/* ---- images ---------------------------------------------------------------------------------------- */

enum vit_format {
  VIT_FORMAT_RGB,
  VIT_FORMAT_BGR, /* 3 bytes a pixel */
  VIT_FORMAT_RGBX,
  VIT_FORMAT_BGRX,
  VIT_FORMAT_XRGB,
  VIT_FORMAT_XBGR, /* 4 bytes; X (or alpha) ignored */
  VIT_FORMAT_NV12,
  VIT_FORMAT_NV21,
  VIT_FORMAT_I420,
  VIT_FORMAT_YV12,
  VIT_FORMAT_Y444,
  VIT_FORMAT_YUY2,
  VIT_FORMAT_UYVY,
  VIT_FORMAT_GRAY8
};
enum vit_matrix { VIT_MATRIX_BT601, VIT_MATRIX_BT709, VIT_MATRIX_BT2020, VIT_MATRIX_FCC, VIT_MATRIX_SMPTE240M };

/* One picture in the caller's memory, read during vit_session_submit only. Planes are in the format's order (I420:
 * Y, U, V; YV12: Y, V, U). */
typedef struct vit_image {
  enum vit_format format;
  uint32_t width, height; /* pixels, 1 to 16384 */
  const void *planes[3];
  uint32_t strides[3];    /* bytes from one row to the next */
  enum vit_matrix matrix; /* YUV formats only */
  bool full_range;        /* YUV and GRAY8: 0..255 instead of 16..235 */
  bool chroma_h_cosited;  /* subsampled chroma sits on the left luma sample, else between two */
  bool chroma_v_cosited;  /* ... on the top luma sample, else between two */
  struct {
    uint32_t x, y, width, height;
  } crop;     /* pixels; width 0: all of it */
  void *user; /* comes back with the result */
} vit_image;

/* ---- session --------------------------------------------------------------------------------------- */

typedef struct vit_session vit_session;

/* Timing kernels against each other for this model's layers, once for each device and driver: the result is kept beside
 * the compiled pipelines. */
enum vit_tune {
  VIT_TUNE_AUTO, /* shapes that were not timed before, for 2 s at most; on devices that are a CPU none */
  VIT_TUNE_OFF,  /* none; what was timed before counts all the same */
  VIT_TUNE_FULL  /* all shapes anew, for 30 s at most */
};

struct vit_session_params { /* zero means default */
  uint32_t max_batch;       /* images per submit, 1 to 256; default 1 */
  uint32_t in_flight;       /* submits under way at once, 1 to 8; default 1 */
  vit_progress progress;    /* NULL: not wanted */
  void *progress_ctx;
  enum vit_tune tune;
};

/* Allocates everything a frame needs, records the command buffers and runs the network once, so that the first
 * frame is not slower than the rest. Blocks. Fails with ARG, MEMORY, DEVICE_LOST. */
VIT_API vit_session *vit_session_create (vit_model *model, const struct vit_session_params *params, vit_error *err);
VIT_API void vit_session_destroy (vit_session **session); /* waits for work under way; uncollected results are lost */

typedef struct vit_result {
  void *user;          /* the image's */
  const float *logits; /* (classes), valid until the next collect or destroy */
  uint32_t classes;
  uint64_t submit_to_ready_ns; /* from submit to the moment collect saw the result */
  double gpu_ms;               /* its submit's time on the device; 0 without timestamps */
} vit_result;

/* Gets ready for pictures like this one, so that the first of them waits for no compiler: compiles what turns them into
 * the network's input and runs it once. Only what lies where and means what counts; planes and strides need not be set.
 * For the thread that submits; batches under way stay as they are. Blocks. Pictures may be submitted without it, and
 * when it failed: ARG, MEMORY, UNSUPPORTED, DEVICE_LOST. */
VIT_API bool vit_session_prepare (vit_session *session, const vit_image *layout, vit_error *err);

/* Queues 1..max_batch images as one GPU submit. FULL took nothing: collect, then call again. */
enum vit_submit { VIT_SUBMITTED, VIT_SUBMIT_FULL, VIT_SUBMIT_FAILED };
VIT_API enum vit_submit vit_session_submit (vit_session *session, const vit_image *images, uint32_t n, vit_error *err);
/* The next result in submit order, waiting at most timeout_ns (0: polls). EMPTY: nothing is under way.
 * On COLLECT_FAILED out->user is set all the same. */
enum vit_collect { VIT_COLLECTED, VIT_NOT_READY, VIT_EMPTY, VIT_COLLECT_FAILED };
VIT_API enum vit_collect vit_session_collect (vit_session *session, uint64_t timeout_ns, vit_result *out,
    vit_error *err);

/* Counters since creation; what stays constant per frame is what makes a frame cheap. */
struct vit_session_stats {
  uint64_t submits, images, allocations,
      descriptor_updates;                   /* the last two: after creation, by a change of frame size or format only */
  uint32_t dispatches, barriers, pipelines; /* of one submit of one image */
  uint64_t device_bytes;                    /* arena, staging and readback of this session */
  double gpu_ms;                            /* the last collected submit on the device; 0 without timestamps */
};
VIT_API void vit_session_get_stats (const vit_session *session, struct vit_session_stats *out);

/* The tensors a session can show, in the order of computation: "patches", "patch_embed", "blocks.0.norm1",
 * "blocks.0.attn.qkv", ..., "logits". NULL past the end. Borrowed. */
VIT_API const char *vit_session_tap_name (const vit_session *session, uint32_t index);
/* Runs one image up to the named tensor and returns it as float, (shape[0], shape[1]) row by row, to be freed by
 * the caller with free(). The session must be idle. */
VIT_API float *vit_session_tap (vit_session *session, const vit_image *image, const char *name, uint32_t shape[2],
    vit_error *err);

/* One kernel of a submit, timed alone by the device's clock. */
struct vit_kernel_time {
  char op[48];     /* the tensor it makes, as vit_session_tap_name has it, or "preprocess" or "copy" */
  char kernel[80]; /* the shader and its constants */
  double ms;       /* median of the runs, from the end of the kernel before to its own */
  double flops;    /* of the whole op, 2 per multiply-add, in its first kernel's entry; 0 in all others */
};
/* Runs a batch of n times the same image `runs` times, one kernel after the other, and says how long each took: without
 * overlap the sum is over what a submit takes. Fills at most `max` entries and returns how many there are, or -1.
 * Fails with ARG (the session must be idle), UNSUPPORTED (no timestamps, too many kernels), MEMORY, DEVICE_LOST. */
VIT_API int vit_session_profile (vit_session *session, const vit_image *image, uint32_t n, uint32_t runs,
    struct vit_kernel_time *out, uint32_t max, vit_error *err);

/* ---- scores ---------------------------------------------------------------------------------------- */

enum vit_activation { VIT_SOFTMAX, VIT_SIGMOID, VIT_IDENTITY };
struct vit_score {
  uint32_t class_index;
  float value;
};
/* Probabilities of `classes` logits, the `k` best first (ties: lower class first), into out[k]. Returns how many were
 * written, min(k, classes). Safe for logits of any finite size. */
VIT_API uint32_t vit_top_k (const float *logits, uint32_t classes, enum vit_activation activation, uint32_t k,
    struct vit_score *out);

VIT_API const char *vit_version (void);

#ifdef __cplusplus
}
#endif
#endif
