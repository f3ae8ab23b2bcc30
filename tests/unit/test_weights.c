/* Safetensors: what is read from good files, and one clear error for each bad one. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"
#include "files.h"
#include "weights/weights.h"

#define F32(shape, from, to) "{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":[" from "," to "]}"

/* Headers over 32 bytes of data. */
static const struct {
  const char *header;
  const char *expected; /* in the message; NULL: the file is good */
} headers[] = {
  { "{\"a\":" F32 ("[2,4]", "0", "32") "}", NULL },
  { "{\"__metadata__\":{\"format\":\"pt\"},\"a\":" F32 ("[8]", "0", "32") "}   ", NULL },
  { "{\"a\":" F32 ("[]", "4", "8") ",\"b\":" F32 ("[0,3]", "4", "4") "}", NULL },
  { "{\"a\":{\"dtype\":\"F8_E4M3\",\"shape\":[32],\"data_offsets\":[0,32]}}", NULL },
  { "{\"a\":{\"dtype\":\"NEW\",\"shape\":[5],\"data_offsets\":[0,3]}}", NULL },
  { "{}", "no tensors" },
  { "{\"__metadata__\":{}}", "no tensors" },
  { "{\"a\":" F32 ("[2,4]", "0", "32"), "can't be parsed" },
  { "{\"a\":\xff}", "can't be parsed" },
  { "[1]", "not a safetensors file" },
  { "{\"a\":" F32 ("[8]", "0", "32") ",\"a\":" F32 ("[8]", "0", "32") "}", "duplicate" },
  { "{\"a\":7}", "not described by an object" },
  { "{\"a\":{\"shape\":[8],\"data_offsets\":[0,32]}}", "no dtype" },
  { "{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,32]}}", "no shape" },
  { "{\"a\":{\"dtype\":\"F32\",\"shape\":[8]}}", "data_offsets" },
  { "{\"a\":" F32 ("[8]", "-4", "28") "}", "data_offsets" },
  { "{\"a\":" F32 ("[8]", "32", "0") "}", "data_offsets" },
  { "{\"a\":" F32 ("[8]", "0.0", "32.0") "}", "data_offsets" },
  { "{\"a\":" F32 ("[8]", "4", "36") "}", "cut short" },
  { "{\"a\":" F32 ("[8]", "9223372036854775000", "9223372036854775032") "}", "cut short" },
  { "{\"a\":" F32 ("[7]", "0", "32") "}", "32 bytes" },
  { "{\"a\":" F32 ("[-8]", "0", "32") "}", "dimension 0" },
  { "{\"a\":" F32 ("[4294967296,4294967296]", "0", "32") "}", "64 bits" },
  { "{\"a\":" F32 ("[4611686018427387904]", "0", "32") "}", "doesn't give" },
  { "{\"a\":" F32 ("[1,1,1,1,1,1,1,1,8]", "0", "32") "}", "at most 8" },
  { "{\"a\":" F32 ("[4]", "0", "16") ",\"b\":" F32 ("[4]", "12", "28") "}", "overlap" },
  { "{\"a\":" F32 ("[8]", "0", "32") ",\"b\":" F32 ("[1]", "8", "12") "}", "overlap" },
  { "{\"\":" F32 ("[8]", "0", "32") "}", "empty" },
  { "{\"a\\u001b[31m\":" F32 ("[8]", "0", "32") "}", "printable" },
  { "{\"a\":" F32 ("[99999999999999999999]", "0", "32") "}", "can't be parsed" },
};

static void
test_headers (void)
{
  const char *path = files_path ("model.safetensors");
  for (size_t i = 0; i < COUNT_OF (headers); i++) {
    vit_error err = { 0 };
    files_put_raw ("model.safetensors", headers[i].header, NULL, 32);
    struct weights *w = weights_open (path, &err);
    if (!headers[i].expected ? !w : w || !strstr (err.msg, headers[i].expected) || !strstr (err.msg, path))
      check_failed ("header %s: '%s', expected '%s'", headers[i].header, w ? "opened" : err.msg, headers[i].expected);
    weights_close (&w);
  }
}

/* Whole files that are something else. */
static void
test_other_files (void)
{
  static const struct {
    const char *bytes;
    size_t size;
    const char *expected;
  } files[] = {
    { "", 0, "empty" },
    { "abc", 3, "only 3 bytes" },
    { "version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 9\n", 62, "git lfs pull" },
    { "PK\x03\x04 a zip of pickles", 20, "zip" },
    { "<!DOCTYPE html><html>", 21, "web page" },
    { "\xff\xff\xff\xff\xff\xff\xff\xff{}", 10, "not a safetensors file" },
    { "\x40\x42\x0f\0\0\0\0\0{}", 10, "cut short" },
  };
  const char *path = files_path ("model.safetensors");
  for (size_t i = 0; i < COUNT_OF (files); i++) {
    vit_error err = { 0 };
    files_put ("model.safetensors", files[i].bytes, files[i].size);
    struct weights *w = weights_open (path, &err);
    REQUIRE (!w);
    REQUIRE_TEXT (err.msg, files[i].expected);
    REQUIRE_TEXT (err.msg, path);
    REQUIRE (err.code == VIT_ERR_FORMAT);
  }
}

static void
test_places (void)
{
  vit_error err = { 0 };
  files_clear ();
  REQUIRE (!weights_open (files_path ("nothing.safetensors"), &err));
  REQUIRE (err.code == VIT_ERR_IO);
  REQUIRE_TEXT (err.msg, "No such file");
  REQUIRE (!weights_open (files_folder, &err));
  REQUIRE_TEXT (err.msg, "no weights");
  files_put_text ("pytorch_model.bin", "x");
  REQUIRE (!weights_open (files_folder, &err));
  REQUIRE_TEXT (err.msg, "save_pretrained");
  REQUIRE (mkdir (files_path ("model.safetensors"), 0700) == 0);
  REQUIRE (!weights_open (files_folder, &err));
  REQUIRE_TEXT (err.msg, "is a folder");
  files_clear ();
  REQUIRE (mkfifo (files_path ("model.safetensors"), 0600) == 0);
  REQUIRE (!weights_open (files_path ("model.safetensors"), &err)); /* and doesn't wait for a writer */
  REQUIRE_TEXT (err.msg, "pipe");
  files_clear ();
}

static const char *const tensors[] = { "one F32 2,3", "two F32 4", "three F16 3,1", "four BF16 2" };

/* Every beginning of a good file is refused, and a file with any byte changed is read or refused, never a crash. */
static void
test_damage (void)
{
  vit_error err = { 0 };
  files_put_tensors ("good.safetensors", tensors, COUNT_OF (tensors), SIZE_MAX);
  struct weights *w = weights_open (files_path ("good.safetensors"), &err);
  REQUIRE_OK (w, err);
  REQUIRE (weights_count (w) == 4);
  weights_close (&w);
  unsigned char bytes[1024];
  FILE *f = fopen (files_path ("good.safetensors"), "rb");
  REQUIRE (f);
  size_t size = fread (bytes, 1, sizeof bytes, f);
  fclose (f);
  for (size_t n = 0; n < size; n++) {
    files_put ("cut.safetensors", bytes, n);
    REQUIRE (!weights_open (files_path ("cut.safetensors"), &err));
  }
  struct rng rng = { 7 };
  for (int i = 0; i < 1000; i++) {
    unsigned char copy[1024];
    memcpy (copy, bytes, size);
    for (int k = 0; k <= i % 3; k++)
      copy[rng_next (&rng) % size] = (unsigned char) rng_next (&rng);
    files_put ("changed.safetensors", copy, size);
    w = weights_open (files_path ("changed.safetensors"), &err);
    for (uint32_t k = 0; w && k < weights_count (w); k++) {
      const struct tensor *t = weights_at (w, k);
      float *out = check_alloc (t->count, sizeof *out);
      if (t->dtype != DTYPE_OTHER)
        REQUIRE_OK (tensor_read (t, out, &err), err);
      free (out);
    }
    weights_close (&w);
  }
}

static void
test_shards (void)
{
  static const struct {
    const char *map;
    const char *expected;
  } maps[] = {
    { "{\"weight_map\":{\"one\":\"a.safetensors\",\"three\":\"b.safetensors\"}}", NULL },
    { "{\"weight_map\":{\"one\":\"b.safetensors\",\"three\":\"a.safetensors\"}}", "doesn't have it" },
    { "{\"weight_map\":{\"five\":\"a.safetensors\"}}", "doesn't have it" },
    { "{\"weight_map\":{\"one\":\"../a.safetensors\"}}", "plain file name" },
    { "{\"weight_map\":{\"one\":\"/etc/passwd\"}}", "plain file name" },
    { "{\"weight_map\":{\"one\":\"..\"}}", "plain file name" },
    { "{\"weight_map\":{\"one\":\"sub\\\\a\"}}", "plain file name" },
    { "{\"weight_map\":{\"one\":3}}", "names no file" },
    { "{\"weight_map\":{\"one\":\"c.safetensors\"}}", "c.safetensors: can't be opened" },
    { "{\"weight_map\":{\"one\":\"a.safetensors\",\"two\":\"d.safetensors\"}}", "in two shards" },
    { "{\"weight_map\":{}}", "weight_map" },
    { "{\"weight_map\":[]}", "weight_map" },
    { "[]", "weight_map" },
    { "{", "can't be parsed" },
    { "version https://git-lfs.github.com/spec/v1", "git lfs pull" },
  };
  files_clear ();
  files_put_tensors ("a.safetensors", tensors, 2, SIZE_MAX);
  files_put_tensors ("b.safetensors", tensors + 2, 2, SIZE_MAX);
  files_put_tensors ("d.safetensors", tensors + 1, 1, SIZE_MAX);
  for (size_t i = 0; i < COUNT_OF (maps); i++) {
    vit_error err = { 0 };
    files_put_text ("model.safetensors.index.json", maps[i].map);
    struct weights *w = weights_open (files_folder, &err);
    if (!maps[i].expected ? !w : w || !strstr (err.msg, maps[i].expected))
      check_failed ("index %s: '%s', expected '%s'", maps[i].map, w ? "opened" : err.msg, maps[i].expected);
    if (w) {
      REQUIRE (weights_count (w) == 4 && weights_find (w, "four") && !weights_find (w, "fou"));
      REQUIRE_TEXT (weights_find (w, "four")->file, "b.safetensors");
    }
    weights_close (&w);
  }
}

/* A file that somebody writes anew or cuts between its opening and its reading. */
static void
test_cut_meanwhile (void)
{
  vit_error err = { 0 };
  float out[6];
  files_put_tensors ("good.safetensors", tensors, COUNT_OF (tensors), SIZE_MAX);
  struct weights *w = weights_open (files_path ("good.safetensors"), &err);
  REQUIRE_OK (w, err);
  for (uint32_t i = 0; i < 4; i++)
    REQUIRE_OK (tensor_read (weights_at (w, i), out, &err), err);
  REQUIRE (truncate (files_path ("good.safetensors"), (off_t) weights_find (w, "three")->offset + 2) == 0);
  REQUIRE_OK (tensor_read (weights_find (w, "one"), out, &err), err);
  REQUIRE (!tensor_read (weights_find (w, "three"), out, &err) && err.code == VIT_ERR_IO);
  REQUIRE_TEXT (err.msg, "while it was being read");
  REQUIRE (!tensor_read (weights_find (w, "four"), out, &err));
  weights_close (&w);
}

static void
test_numbers (void)
{
  static const struct {
    enum dtype dtype;
    unsigned char bytes[4];
    float value;
  } numbers[] = {
    { DTYPE_F32, { 0x00, 0x00, 0xc0, 0x3f }, 1.5f },
    { DTYPE_F16, { 0x00, 0x3c }, 1 },
    { DTYPE_F16, { 0x01, 0x80 }, -0x1p-24f },
    { DTYPE_F16, { 0xff, 0x03 }, 0x3ffp-24f },
    { DTYPE_F16, { 0x00, 0x04 }, 0x1p-14f },
    { DTYPE_F16, { 0xff, 0x7b }, 65504 },
    { DTYPE_F16, { 0x00, 0xfc }, -INFINITY },
    { DTYPE_BF16, { 0x80, 0x3f }, 1 },
    { DTYPE_BF16, { 0x49, 0xc0 }, -3.140625f },
  };
  for (size_t i = 0; i < COUNT_OF (numbers); i++) {
    float out = 7;
    floats_from (numbers[i].dtype, numbers[i].bytes, 1, &out);
    REQUIRE_CLOSE (out, numbers[i].value, 0, 0);
  }
  float out = 0;
  floats_from (DTYPE_F16, "\x01\x7e", 1, &out);
  REQUIRE (isnan (out));
  char text[64];
  REQUIRE (strcmp (shape_text (text, sizeof text, (uint64_t[]) { 3, 40 }, 2), "[3, 40]") == 0);
  REQUIRE (strlen (shape_text (text, 6, (uint64_t[]) { 3, 40000000 }, 2)) == 5);
}

int
main (void)
{
  files_init ();
  test_headers ();
  test_other_files ();
  test_places ();
  test_damage ();
  test_shards ();
  test_cut_meanwhile ();
  test_numbers ();
  return check_status ();
}
