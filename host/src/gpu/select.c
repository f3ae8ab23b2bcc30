/* Lists the machine's Vulkan devices and picks the one a user means. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gpu/select.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const enum vit_device_type type_of[] = {
  [VK_PHYSICAL_DEVICE_TYPE_OTHER] = VIT_DEVICE_OTHER,
  [VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU] = VIT_DEVICE_INTEGRATED,
  [VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU] = VIT_DEVICE_DISCRETE,
  [VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU] = VIT_DEVICE_VIRTUAL,
  [VK_PHYSICAL_DEVICE_TYPE_CPU] = VIT_DEVICE_CPU,
};

/* "auto" takes the highest */
static const int rank_of[] = {
  [VIT_DEVICE_OTHER] = 1,
  [VIT_DEVICE_CPU] = 0,
  [VIT_DEVICE_VIRTUAL] = 2,
  [VIT_DEVICE_INTEGRATED] = 3,
  [VIT_DEVICE_DISCRETE] = 4,
};

/* list: room for MAX_EXTENSIONS. A device that can't tell has none. */
static bool
has_extension (const struct instance *in, VkPhysicalDevice phys, VkExtensionProperties *list, const char *name)
{
  uint32_t n = MAX_EXTENSIONS;
  if (in->EnumerateDeviceExtensionProperties (phys, NULL, &n, list) < 0)
    return false;
  for (uint32_t i = 0; i < n; i++)
    if (strcmp (list[i].extensionName, name) == 0)
      return true;
  return false;
}

static void
read_features (const struct instance *in, VkPhysicalDevice phys, struct vit_device_info *out)
{
  VkPhysicalDeviceBufferDeviceAddressFeatures bda = {
    .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_BUFFER_DEVICE_ADDRESS_FEATURES,
  };
  VkPhysicalDevice16BitStorageFeatures half = {
    .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_16BIT_STORAGE_FEATURES,
    .pNext = out->api_version >= VK_API_VERSION_1_2 ? &bda : NULL,
  };
  VkPhysicalDeviceFeatures2 features = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2, .pNext = &half };
  in->GetPhysicalDeviceFeatures2 (phys, &features);
  out->storage16 = half.storageBuffer16BitAccess;
  out->buffer_address = bda.bufferDeviceAddress && features.features.shaderInt64;
}

static void
read_info (const struct instance *in, VkPhysicalDevice phys, VkExtensionProperties *list, struct vit_device_info *out)
{
  VkPhysicalDevicePCIBusInfoPropertiesEXT pci = {
    .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PCI_BUS_INFO_PROPERTIES_EXT,
  };
  VkPhysicalDeviceDriverProperties driver = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES };
  VkPhysicalDeviceSubgroupProperties subgroup = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES,
    .pNext = &driver };
  VkPhysicalDeviceIDProperties id = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ID_PROPERTIES, .pNext = &subgroup };
  VkPhysicalDeviceProperties2 p = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, .pNext = &id };
  bool has_pci = has_extension (in, phys, list, VK_EXT_PCI_BUS_INFO_EXTENSION_NAME);

  in->GetPhysicalDeviceProperties (phys, &p.properties);
  out->api_version = p.properties.apiVersion;
  snprintf (out->name, sizeof out->name, "%s", p.properties.deviceName);
  if ((uint32_t) p.properties.deviceType < sizeof type_of / sizeof *type_of)
    out->type = type_of[p.properties.deviceType];
  if (out->api_version < VK_API_VERSION_1_1)
    return;
  if (out->api_version < VK_API_VERSION_1_2)
    subgroup.pNext = NULL;
  if (has_pci) {
    pci.pNext = p.pNext;
    p.pNext = &pci;
  }
  in->GetPhysicalDeviceProperties2 (phys, &p);
  memcpy (out->uuid, id.deviceUUID, sizeof out->uuid);
  out->subgroup_size = subgroup.subgroupSize;
  if (driver.driverName[0])
    snprintf (out->driver, sizeof out->driver, "%.120s %.120s", driver.driverName, driver.driverInfo);
  if (has_pci)
    snprintf (out->pci, sizeof out->pci, "%02x:%02x.%x", pci.pciBus & 0xff, pci.pciDevice & 0xff,
        pci.pciFunction & 0xf);
  read_features (in, phys, out);

  VkPhysicalDeviceMemoryProperties memory;
  in->GetPhysicalDeviceMemoryProperties (phys, &memory);
  for (uint32_t i = 0; i < memory.memoryHeapCount; i++)
    if ((memory.memoryHeaps[i].flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT)
        && memory.memoryHeaps[i].size > out->memory_bytes)
      out->memory_bytes = memory.memoryHeaps[i].size;
}

bool
candidates_read (struct candidates *c, const struct instance *in, vit_error *err)
{
  memset (c, 0, sizeof *c);
  c->num = MAX_DEVICES;
  VkResult r = instance_enumerate (in, &c->num, c->handle);
  if (r == VK_ERROR_INITIALIZATION_FAILED || r == VK_INCOMPLETE)
    r = VK_SUCCESS; /* a loader without any driver says the first; more devices than anybody has, the second */
  if (!vk_ok (err, "vkEnumeratePhysicalDevices", r)) {
    c->num = 0;
    return false;
  }
  if (c->num > MAX_DEVICES || (c->num && !c->handle[0]))
    c->num = 0;
  for (uint32_t i = 0; i < c->num; i++)
    read_info (in, c->handle[i], c->extensions, &c->info[i]);
  return true;
}

/* Digits of a hexadecimal id, dashes and colons left out. */
static bool
same_hex (const char *text, const uint8_t *bytes, size_t n)
{
  char want[64] = "", have[64] = "";
  size_t w = 0;
  for (; *text && w + 1 < sizeof want; text++)
    if (*text != '-' && *text != ':')
      want[w++] = (char) tolower ((unsigned char) *text);
  for (size_t i = 0; i < n; i++)
    snprintf (have + 2 * i, 3, "%02x", bytes[i]);
  return strcmp (want, have) == 0;
}

/* strcasestr is not C11 */
static bool
contains (const char *text, const char *part)
{
  size_t n = strlen (part);
  for (; *text; text++)
    if (strncasecmp (text, part, n) == 0)
      return true;
  return false;
}

static bool
is_index (const char *text)
{
  return text[0] && strspn (text, "0123456789") == strlen (text) && strlen (text) < 4;
}

static bool
matches (const struct candidates *c, uint32_t i, const char *select)
{
  const struct vit_device_info *d = &c->info[i];
  if (strcasecmp (select, "auto") == 0)
    return true;
  if (strcasecmp (select, "cpu") == 0)
    return d->type == VIT_DEVICE_CPU;
  if (strncasecmp (select, "uuid:", 5) == 0)
    return same_hex (select + 5, d->uuid, sizeof d->uuid);
  if (strncasecmp (select, "pci:", 4) == 0) /* with or without the domain "0000:" */
    return d->pci[0]
        && (strcasecmp (select + 4, d->pci) == 0 || (strlen (select) > 9 && strcasecmp (select + 9, d->pci) == 0));
  if (is_index (select))
    return (uint32_t) atoi (select) == i;
  return contains (d->name, select);
}

static void
list_devices (const struct candidates *c, char *out, size_t size)
{
  size_t used = 0;
  out[0] = 0;
  for (uint32_t i = 0; i < c->num && used < size; i++) {
    int n = snprintf (out + used, size - used, "%s%u: %.60s", i ? ", " : "", i, c->info[i].name);
    used += n > 0 ? (size_t) n : 0;
  }
}

int
candidates_choose (const struct candidates *c, const struct vit_device_params *params, vit_error *err)
{
  const char *select = params->select && params->select[0] ? params->select : "auto";
  int best = -1;
  for (uint32_t i = 0; i < c->num; i++) {
    const struct vit_device_info *d = &c->info[i];
    if (!matches (c, i, select) || (params->no_software && d->type == VIT_DEVICE_CPU)
        || d->api_version < VK_API_VERSION_1_1)
      continue;
    if (best < 0 || rank_of[d->type] > rank_of[c->info[best].type])
      best = (int) i;
  }
  if (best >= 0)
    return best;
  if (c->num == 0) {
    fail (err, VIT_ERR_UNSUPPORTED,
        "no Vulkan device was found: install your GPU's driver, or mesa-vulkan-drivers for software Vulkan");
    return -1;
  }
  char list[320];
  list_devices (c, list, sizeof list);
  fail (err, VIT_ERR_UNSUPPORTED, "no Vulkan 1.1 device matches '%.40s'%s; this machine has the devices %s", select,
      params->no_software ? " (software devices are refused)" : "", list);
  return -1;
}

int
vit_device_list (const struct vit_device_params *params, struct vit_device_info *out, uint32_t max, vit_error *err)
{
  struct vit_device_params plain = { .get_instance_proc_addr = params ? params->get_instance_proc_addr : NULL };
  struct instance in = { 0 };
  struct candidates *c = calloc (1, sizeof *c);
  int n = -1;
  if (!c)
    fail_memory (err, "the list of devices", sizeof *c);
  else if (instance_init (&in, &plain, err) && candidates_read (c, &in, err)) {
    n = (int) c->num;
    for (uint32_t i = 0; i < c->num && i < max; i++)
      out[i] = c->info[i];
  }
  instance_finish (&in);
  free (c);
  return n;
}
