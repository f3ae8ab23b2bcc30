#!/bin/sh
# Runs one test with Vulkan's validation and synchronization layers on: any message of theirs fails it.
# SPDX-License-Identifier: LGPL-2.1-or-later
output=$(mktemp) || exit 1
trap 'rm -f "$output"' EXIT
VIT_VALIDATE=1 VK_INSTANCE_LAYERS=VK_LAYER_KHRONOS_validation \
  VK_LAYER_ENABLES=VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT "$@" >"$output" 2>&1
status=$?
cat "$output"
if grep -qE 'Validation (Error|Warning|Performance)|SYNC-HAZARD|UNASSIGNED-|VUID-' "$output"; then
  echo "the validation layers had something to say, see above"
  exit 1
fi
exit $status
