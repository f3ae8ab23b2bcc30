#!/usr/bin/env bash
# Runs the tests on SwiftShader, a second Vulkan implementation on the CPU, which has almost nothing optional.
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# usage: tests/drivers/swiftshader.sh BUILD [ARGUMENT...]   ARGUMENT: of meson test (default: the engine's tests)
#
# Subgroups of 4, at most 256 invocations, no 16-bit storage, no float16: what passes here asks for no feature. Debian
# has it inside the package chromium-common; the package is downloaded (30 MB) and unpacked under BUILD, nothing is
# installed.
set -euo pipefail

if [ $# -lt 1 ] || [ ! -f "$1/build.ninja" ]; then
  sed -n '5s/^# //p' "$0" >&2
  exit 2
fi
build=$(cd "$1" && pwd)
shift
[ $# -gt 0 ] || set -- --suite gpu --suite golden --no-suite plugin --no-suite width128 --no-suite width512
place=$build/swiftshader
library=$place/usr/lib/chromium/libvk_swiftshader.so

as_root()
{
  if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

if [ ! -f "$library" ]; then
  rm -rf "$place"
  mkdir -p "$place"
  cd "$place"
  apt-get -qq download chromium-common || { as_root apt-get -qq update; apt-get -qq download chromium-common; }
  # the rest of the browser is not needed
  dpkg --fsys-tarfile chromium-common_*.deb | tar -x ./usr/lib/chromium/libvk_swiftshader.so
  rm -f chromium-common_*.deb
  cd - >/dev/null
fi
icd=$place/swiftshader_icd.json
printf '{"file_format_version": "1.0.0", "ICD": {"library_path": "%s", "api_version": "1.1.0"}}\n' "$library" >"$icd"

export VK_DRIVER_FILES=$icd VK_ICD_FILENAMES=$icd # the loader reads the second before 1.3.207
export VIT_REQUIRE_GPU=1
"$build/host/tools/vit-info" | tee "$place/devices"
grep -q SwiftShader "$place/devices" || { echo "swiftshader: the device above is another one" >&2; exit 1; }
meson test -C "$build" --no-rebuild --print-errorlogs "$@"
