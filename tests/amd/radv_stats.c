/* Compiles every kernel with AMD's compiler (RADV, no card needed) and compares what it made of them with the table. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Usage: radv_stats CHIP SPECIALIZATIONS TABLE FILE.spv...
 *
 * RADV_FORCE_FAMILY makes a device of a chip that is not there: it compiles for real and can run nothing, so nothing
 * is ever submitted. SPECIALIZATIONS is a text file of rows "kernel id=value ...": a kernel named there is compiled
 * once per row, any other once with the defaults of its source. '#' starts a comment. In a row,
 * fma=N says how many multiply-adds an invocation does in a round of its loop, products=N how many products of matrices
 * its subgroup does, share=N and waves=N what there must be.
 * TABLE holds what was found before; VIT_AMD_UPDATE=1 writes it anew. A chip that this Mesa doesn't know is skipped.
 */
#include <glob.h>
#include <sys/wait.h>
#include <unistd.h>
#define VOLK_IMPLEMENTATION
#include <volk.h>

#include "../check.h"
#include "spirv.h"
#include "table.h"

/* A product of 16 x 16 x 16 halves keeps a wave of 64 busy for 32 cycles, as 16 multiply-adds do. */
enum { PRODUCT_FMA = 16 };
enum { MAX_CONSTANTS = 32, MAX_STATISTICS = 64, PUSH_BYTES = 128 };

struct compiler {
  VkInstance instance;
  VkDevice device;
  char driver[32]; /* version of Mesa */
  struct table *table;
  char name[VK_MAX_PHYSICAL_DEVICE_NAME_SIZE];
  bool matrices; /* VK_KHR_cooperative_matrix */
};

struct constants {
  uint32_t count, fma, share, waves;
  VkSpecializationMapEntry entries[MAX_CONSTANTS];
  int32_t values[MAX_CONSTANTS];
  char text[256]; /* the row as written, for the table */
};

/* The columns, as RADV names them. */
static const struct {
  const char *name, *head;
  bool must_be_zero;
} columns[] = {
  { "VGPRs", "VGPRs", false },
  { "SGPRs", "SGPRs", false },
  { "Spilled VGPRs", "spilled VGPRs", true },
  { "Spilled SGPRs", "spilled SGPRs", true },
  { "Scratch size", "scratch bytes", false },
  { "LDS size", "LDS bytes", false },
  { "Subgroups per SIMD", "waves", false }, /* kept, as are VGPRs, LDS, latency and inverse throughput */
  { "Latency", "latency", false },
  { "Inverse Throughput", "inverse throughput", false },
  { "Code size", "code bytes", false },
};

#ifdef __SANITIZE_ADDRESS__
/* The loader unloads the driver: what that leaves behind then looks lost. Nothing of the project's runs here. */
int __lsan_is_turned_off (void);
int
__lsan_is_turned_off (void)
{
  return 1;
}
#endif

#define VK_REQUIRE(call) require_success ((call), #call)
static void
require_success (VkResult r, const char *what)
{
  if (r != VK_SUCCESS)
    check_die (__FILE__, __LINE__, "%.60s... returned %d", what, (int) r);
}

/* Does this Mesa know the chip by that name? One that doesn't ends the process, so a child asks. */
static bool
knows_chip (const char *name)
{
  int status = 0;
  pid_t child = fork ();
  REQUIRE (child >= 0);
  if (child == 0) {
    VkInstanceCreateInfo info = { .sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO };
    VkInstance instance;
    VkPhysicalDevice device;
    uint32_t n = 1;
    setenv ("RADV_FORCE_FAMILY", name, 1);
    bool ok = volkInitialize () == VK_SUCCESS && vkCreateInstance (&info, NULL, &instance) == VK_SUCCESS;
    if (ok) {
      volkLoadInstanceOnly (instance);
      ok = vkEnumeratePhysicalDevices (instance, &n, &device) == VK_SUCCESS && n == 1;
    }
    _exit (ok ? 0 : 1);
  }
  REQUIRE (waitpid (child, &status, 0) == child);
  return WIFEXITED (status) && WEXITSTATUS (status) == 0;
}

/* Mesa 24 and later call some chips otherwise. */
static const char *
family_of (const char *chip)
{
  return strcmp (chip, "gfx1100") == 0 && !knows_chip (chip) ? "navi31" : chip;
}

/* Names the driver before the loader looks: another one active could only be in the way. A name given stays. */
static void
choose_driver (const char *chip)
{
  static const char *const places[] = { "/usr/share/vulkan/icd.d/radeon_icd*.json",
    "/etc/vulkan/icd.d/radeon_icd*.json", "/usr/local/share/vulkan/icd.d/radeon_icd*.json" };
  setenv ("MESA_SHADER_CACHE_DISABLE", "true", 1);
  const char *given = getenv ("VIT_RADV_ICD");
  glob_t found = { 0 };
  for (size_t i = 0; i < COUNT_OF (places); i++)
    glob (places[i], i ? GLOB_APPEND : 0, NULL, &found);
  if (!given && found.gl_pathc)
    given = found.gl_pathv[0];
  if (!given)
    SKIP ("no radeon_icd json found; install mesa-vulkan-drivers, or name it in VIT_RADV_ICD");
  setenv ("VK_DRIVER_FILES", given, 1);
  setenv ("VK_ICD_FILENAMES", given, 1); /* loaders before 1.3.207 */
  globfree (&found);
  if (!knows_chip (family_of (chip))) {
    printf ("this Mesa doesn't know %s: skipped\n", chip);
    exit (77); /* also where a device is required: none of one Mesa's chips is missing */
  }
  setenv ("RADV_FORCE_FAMILY", family_of (chip), 1);
}

static VkPhysicalDevice
find_device (struct compiler *c, const char *chip)
{
  VkApplicationInfo app = { .sType = VK_STRUCTURE_TYPE_APPLICATION_INFO, .apiVersion = VK_API_VERSION_1_3 };
  VkInstanceCreateInfo info = { .sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO, .pApplicationInfo = &app };
  if (volkInitialize () != VK_SUCCESS)
    SKIP ("no Vulkan loader; install libvulkan1");
  VK_REQUIRE (vkCreateInstance (&info, NULL, &c->instance));
  volkLoadInstanceOnly (c->instance);
  uint32_t n = 1;
  VkPhysicalDevice physical = VK_NULL_HANDLE;
  VkResult r = vkEnumeratePhysicalDevices (c->instance, &n, &physical);
  if ((r != VK_SUCCESS && r != VK_INCOMPLETE) || n == 0)
    SKIP ("RADV makes no device for RADV_FORCE_FAMILY=%s; this Mesa may not know the chip, or be too new for the mode",
        chip);
  VkPhysicalDeviceProperties properties;
  vkGetPhysicalDeviceProperties (physical, &properties);
  snprintf (c->name, sizeof c->name, "%s", properties.deviceName);
  uint32_t v = properties.driverVersion;
  snprintf (c->driver, sizeof c->driver, "%u.%u.%u", VK_VERSION_MAJOR (v), VK_VERSION_MINOR (v), VK_VERSION_PATCH (v));
  REQUIRE_TEXT (c->name, "Null hardware"); /* a real card would be compiled for as what it is */
  return physical;
}

static bool
has_matrices (VkPhysicalDevice physical)
{
  bool found = false;
  uint32_t n = 0;
  VK_REQUIRE (vkEnumerateDeviceExtensionProperties (physical, NULL, &n, NULL));
  VkExtensionProperties *list = check_alloc (n, sizeof *list);
  VK_REQUIRE (vkEnumerateDeviceExtensionProperties (physical, NULL, &n, list));
  for (uint32_t i = 0; i < n; i++)
    found = found || strcmp (list[i].extensionName, "VK_KHR_cooperative_matrix") == 0;
  free (list);
  return found;
}

/* With every core feature the chip has, as the library would use it. */
static void
open_device (struct compiler *c, VkPhysicalDevice physical)
{
  VkPhysicalDevicePipelineExecutablePropertiesFeaturesKHR executable = {
    .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PIPELINE_EXECUTABLE_PROPERTIES_FEATURES_KHR
  };
  VkPhysicalDeviceVulkan13Features f13 = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_FEATURES,
    .pNext = &executable };
  VkPhysicalDeviceVulkan12Features f12 = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES,
    .pNext = &f13 };
  VkPhysicalDeviceVulkan11Features f11 = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES,
    .pNext = &f12 };
  VkPhysicalDeviceFeatures2 features = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2, .pNext = &f11 };
  vkGetPhysicalDeviceFeatures2 (physical, &features);
  REQUIRE (executable.pipelineExecutableInfo);
  const char *extensions[] = { VK_KHR_PIPELINE_EXECUTABLE_PROPERTIES_EXTENSION_NAME, "VK_KHR_cooperative_matrix" };
  c->matrices = has_matrices (physical);
  float priority = 1;
  VkDeviceQueueCreateInfo queue = { .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
    .queueCount = 1,
    .pQueuePriorities = &priority };
  VkDeviceCreateInfo info = { .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
    .pNext = &features,
    .queueCreateInfoCount = 1,
    .pQueueCreateInfos = &queue,
    .enabledExtensionCount = c->matrices ? 2 : 1,
    .ppEnabledExtensionNames = extensions };
  VK_REQUIRE (vkCreateDevice (physical, &info, NULL, &c->device));
  volkLoadDevice (c->device);
}

static VkPipelineLayout
make_layout (const struct compiler *c, const struct spirv_facts *facts, VkDescriptorSetLayout *set)
{
  static const VkDescriptorType types[] = { [SPIRV_STORAGE_BUFFER] = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
    [SPIRV_UNIFORM_BUFFER] = VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER,
    [SPIRV_UNIFORM_TEXELS] = VK_DESCRIPTOR_TYPE_UNIFORM_TEXEL_BUFFER,
    [SPIRV_STORAGE_TEXELS] = VK_DESCRIPTOR_TYPE_STORAGE_TEXEL_BUFFER };
  VkDescriptorSetLayoutBinding bindings[SPIRV_MAX_BINDINGS];
  uint32_t n = 0;
  for (uint32_t i = 0; i < SPIRV_MAX_BINDINGS; i++)
    if (facts->bindings[i] != SPIRV_UNUSED)
      bindings[n++] = (VkDescriptorSetLayoutBinding) { .binding = i,
        .descriptorType = types[facts->bindings[i]],
        .descriptorCount = 1,
        .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT };
  VkDescriptorSetLayoutCreateInfo set_info = { .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
    .bindingCount = n,
    .pBindings = bindings };
  VK_REQUIRE (vkCreateDescriptorSetLayout (c->device, &set_info, NULL, set));
  VkPushConstantRange push = { .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT, .size = PUSH_BYTES };
  VkPipelineLayoutCreateInfo info = { .sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
    .setLayoutCount = 1,
    .pSetLayouts = set,
    .pushConstantRangeCount = 1,
    .pPushConstantRanges = &push };
  VkPipelineLayout layout;
  VK_REQUIRE (vkCreatePipelineLayout (c->device, &info, NULL, &layout));
  return layout;
}

/* ACO counts a loop's body 8 times, and a wave of 64 takes 2 cycles to issue an instruction to 32 lanes. */
static uint64_t
share_of (uint64_t fma, uint64_t inverse)
{
  return inverse ? 100 * fma * 2 * 8 / inverse : 0;
}

static uint64_t
find_value (const VkPipelineExecutableStatisticKHR *stats, uint32_t n, const char *kernel, const char *name)
{
  for (uint32_t i = 0; i < n; i++)
    if (strcmp (stats[i].name, name) == 0)
      return stats[i].value.u64;
  check_die (__FILE__, __LINE__, "%s: RADV tells no '%s'", kernel, name); /* else the checks would be empty */
}

/* Against the table and against what its row of specializations asks for. */
static void
check_figures (const struct compiler *c, const VkPipelineExecutableStatisticKHR *stats, uint32_t n, const char *kernel,
    const struct constants *constants)
{
  char name[512];
  struct figures f = {
    .vgprs = find_value (stats, n, kernel, "VGPRs"),
    .spills = find_value (stats, n, kernel, "Spilled VGPRs") + find_value (stats, n, kernel, "Spilled SGPRs"),
    .lds = find_value (stats, n, kernel, "LDS size"),
    .waves = find_value (stats, n, kernel, "Subgroups per SIMD"),
    .latency = find_value (stats, n, kernel, "Latency"),
    .inverse = find_value (stats, n, kernel, "Inverse Throughput"),
  };
  f.share = share_of (constants->fma, f.inverse);
  snprintf (name, sizeof name, "%s%s%s", kernel, constants->count ? " " : "", constants->text);
  check_failures += table_row (c->table, name, &f);
  if (f.share < constants->share)
    check_failed ("%s: %u %% of its cycles multiply, expected %u", name, (unsigned) f.share, constants->share);
  if (f.waves < constants->waves)
    check_failed ("%s: %u waves, expected %u", name, (unsigned) f.waves, constants->waves);
  if (constants->fma)
    printf (" %u %% |", (unsigned) f.share);
}

/* One line of the table; a spill is a failure of this row, and the others are still shown. */
static void
print_statistics (const struct compiler *c, VkPipeline pipeline, const char *kernel, const struct constants *constants)
{
  VkPipelineExecutableInfoKHR info = { .sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_INFO_KHR, .pipeline = pipeline };
  VkPipelineExecutableStatisticKHR stats[MAX_STATISTICS];
  for (int i = 0; i < MAX_STATISTICS; i++)
    stats[i] = (VkPipelineExecutableStatisticKHR) { .sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_STATISTIC_KHR };
  uint32_t n = MAX_STATISTICS;
  VK_REQUIRE (vkGetPipelineExecutableStatisticsKHR (c->device, &info, &n, stats));
  printf ("| %s%s%s |", kernel, constants->count ? " " : "", constants->text);
  for (size_t i = 0; i < COUNT_OF (columns); i++) {
    uint32_t at = 0;
    while (at < n && strcmp (stats[at].name, columns[i].name) != 0)
      at++;
    if (at == n) /* a column that this Mesa calls otherwise would make the check below empty */
      check_die (__FILE__, __LINE__, "%s: RADV tells no '%s'", kernel, columns[i].name);
    unsigned long long value = stats[at].value.u64;
    printf (" %llu |", value);
    if (columns[i].must_be_zero && value)
      fprintf (stderr, "%s %s: %llu %s, expected 0\n", kernel, constants->text, value, columns[i].head),
          check_failures++;
  }
  check_figures (c, stats, n, kernel, constants);
  putchar ('\n');
}

static void
compile (const struct compiler *c, const char *kernel, const uint32_t *code, size_t bytes,
    const struct spirv_facts *facts, const struct constants *constants)
{
  VkShaderModuleCreateInfo module_info = { .sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO,
    .codeSize = bytes,
    .pCode = code };
  VkShaderModule module;
  VK_REQUIRE (vkCreateShaderModule (c->device, &module_info, NULL, &module));
  VkDescriptorSetLayout set;
  VkPipelineLayout layout = make_layout (c, facts, &set);
  VkSpecializationInfo special = { .mapEntryCount = constants->count,
    .pMapEntries = constants->entries,
    .dataSize = sizeof constants->values,
    .pData = constants->values };
  VkComputePipelineCreateInfo info = { .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
    .layout = layout,
    .flags = VK_PIPELINE_CREATE_CAPTURE_STATISTICS_BIT_KHR,
    .stage = { .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
        .stage = VK_SHADER_STAGE_COMPUTE_BIT,
        .module = module,
        .pName = "main",
        .pSpecializationInfo = &special } };
  VkPipeline pipeline;
  VK_REQUIRE (vkCreateComputePipelines (c->device, VK_NULL_HANDLE, 1, &info, NULL, &pipeline));
  print_statistics (c, pipeline, kernel, constants);
  vkDestroyPipeline (c->device, pipeline, NULL);
  vkDestroyPipelineLayout (c->device, layout, NULL);
  vkDestroyDescriptorSetLayout (c->device, set, NULL);
  vkDestroyShaderModule (c->device, module, NULL);
}

/* The next row of the specializations file that is about `kernel`; false at the end. */
static bool
next_constants (FILE *rows, const char *kernel, struct constants *out)
{
  char line[512];
  while (fgets (line, sizeof line, rows)) {
    line[strcspn (line, "#\r\n")] = 0;
    char *rest = NULL, *word = strtok_r (line, " \t", &rest);
    if (!word || strcmp (word, kernel) != 0)
      continue;
    memset (out, 0, sizeof *out);
    while ((word = strtok_r (NULL, " \t", &rest))) {
      if (sscanf (word, "products=%u", &out->fma) == 1) {
        out->fma *= PRODUCT_FMA;
        continue;
      }
      if (sscanf (word, "fma=%u", &out->fma) == 1 || sscanf (word, "share=%u", &out->share) == 1
          || sscanf (word, "waves=%u", &out->waves) == 1)
        continue;
      uint32_t i = out->count++;
      size_t length = strlen (out->text);
      REQUIRE (i < MAX_CONSTANTS);
      if (sscanf (word, "%u=%d", &out->entries[i].constantID, &out->values[i]) != 2)
        check_die (__FILE__, __LINE__, "specializations of %s: '%s', expected id=value", kernel, word);
      out->entries[i].offset = i * (uint32_t) sizeof (int32_t);
      out->entries[i].size = sizeof (int32_t);
      snprintf (out->text + length, sizeof out->text - length, "%s%s", length ? " " : "", word);
    }
    return true;
  }
  return false;
}

static uint32_t *
read_words (const char *path, size_t *bytes)
{
  FILE *f = fopen (path, "rb");
  if (!f)
    check_die (__FILE__, __LINE__, "%s: can't be opened", path);
  REQUIRE (fseek (f, 0, SEEK_END) == 0);
  long size = ftell (f);
  rewind (f);
  if (size <= 0 || size % 4)
    check_die (__FILE__, __LINE__, "%s: is %ld bytes, expected a multiple of 4", path, size);
  uint32_t *words = check_alloc (1, (size_t) size);
  REQUIRE (fread (words, 1, (size_t) size, f) == (size_t) size);
  fclose (f);
  *bytes = (size_t) size;
  return words;
}

static void
compile_file (const struct compiler *c, const char *path, FILE *rows)
{
  char kernel[128];
  const char *base = strrchr (path, '/');
  snprintf (kernel, sizeof kernel, "%s", base ? base + 1 : path);
  char *dot = strrchr (kernel, '.');
  if (dot)
    *dot = 0;
  size_t bytes;
  uint32_t *code = read_words (path, &bytes);
  struct spirv_facts facts;
  const char *why;
  if (!spirv_read (code, bytes / 4, &facts, &why))
    check_die (__FILE__, __LINE__, "%s: %s", path, why);
  if (facts.matrices && !c->matrices) {
    free (code);
    return;
  }
  struct constants constants;
  bool any = false;
  for (rewind (rows); next_constants (rows, kernel, &constants); any = true)
    compile (c, kernel, code, bytes, &facts, &constants);
  if (!any)
    compile (c, kernel, code, bytes, &facts, &(struct constants) { 0 });
  free (code);
}

int
main (int argc, char **argv)
{
  if (argc < 5) {
    fprintf (stderr, "usage: %s CHIP SPECIALIZATIONS TABLE FILE.spv...\n", argv[0]);
    return 2;
  }
  FILE *rows = fopen (argv[2], "r");
  if (!rows)
    check_die (__FILE__, __LINE__, "%s: can't be opened", argv[2]);
  struct compiler c = { 0 };
  choose_driver (argv[1]);
  open_device (&c, find_device (&c, argv[1]));
  c.table = table_open (argv[3], c.driver, argv[1], getenv ("VIT_AMD_UPDATE") != NULL);
  printf ("%s\n\n| kernel |", c.name);
  for (size_t i = 0; i < COUNT_OF (columns); i++)
    printf (" %s |", columns[i].head);
  printf ("\n|---|");
  for (size_t i = 0; i < COUNT_OF (columns); i++)
    printf ("--:|");
  putchar ('\n');
  for (int i = 4; i < argc; i++)
    compile_file (&c, argv[i], rows);
  fclose (rows);
  table_close (c.table);
  vkDestroyDevice (c.device, NULL);
  vkDestroyInstance (c.instance, NULL);
  return check_status ();
}
