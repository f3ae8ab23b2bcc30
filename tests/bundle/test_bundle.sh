#!/usr/bin/env bash
# The bundle is small, and runs its tests and benchmark from another folder with an empty environment.
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# usage: test_bundle.sh SOURCE BUILD
set -euo pipefail

source=$1
build=$2
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
for tool in ldd objdump strip gzip python3 meson; do
  command -v "$tool" >/dev/null || { echo "$tool is not installed"; exit 77; }
done
"$build/host/tools/vit-info" >/dev/null 2>&1 || { echo "no Vulkan device"; exit 77; }

failed()
{
  echo "test_bundle: $*"
  exit 1
}

"$source/scripts/bundle" --build "$build" "$scratch/a bundle"
mv "$scratch/a bundle" "$scratch/moved"
grep -q '^hf-vit	' "$scratch/moved/tests.list" || failed "the golden models are not in tests.list"
grep -q '^kernels	' "$scratch/moved/tests.list" || failed "the kernel tests are not in tests.list"
! grep -rqF "$source/" "$scratch/moved/tests.list" "$scratch/moved/run" || failed "it names the source folder"
chmod -R a-w "$scratch/moved" # nothing is written into it

mkdir "$scratch/here" "$scratch/temporary"
cd "$scratch/here"
empty=(env -i PATH=/usr/bin:/bin "TMPDIR=$scratch/temporary")
[ -z "${VK_DRIVER_FILES-}" ] || empty+=("VK_DRIVER_FILES=$VK_DRIVER_FILES" "VK_ICD_FILENAMES=$VK_DRIVER_FILES")
"${empty[@]}" ../moved/run --quick --tests "scores hf-vit session coopmat" >output 2>&1 || { cat output; failed "run failed"; }
set -- report-*.txt
if [ $# -ne 1 ] || [ ! -s "$1" ]; then failed "found $* in the current folder, expected one report"; fi
for line in 'hf-vit: ok' 'session: ok' 'coopmat: ok' '4 passed, 0 failed, 0 skipped' '==== kernels' 'all passed' 'libc      the machine'; do
  grep -qF "$line" "$1" || { cat "$1"; failed "the report has no line '$line'"; }
done
grep -qE '^\| Ti/16 \| f16 \| 1 \|( [0-9.]+ \|){5} ' "$1" || { cat "$1"; failed "the report has no row of Ti/16"; }
[ -z "$(ls "$scratch/temporary")" ] || failed "left in TMPDIR: $(ls "$scratch/temporary")"

# the other C library, and a test that fails
"${empty[@]}" ../moved/run --no-bench --bundled-libc --tests hf-vit --out own.txt >output 2>&1 || { cat output; failed "--bundled-libc"; }
grep -q "libc      the bundle's" own.txt || failed "--bundled-libc takes the machine's"
chmod -R u+w "$scratch/moved"
sed -i 's/^\(hf-vit	.*	test_golden	\).*/\1nowhere\tnowhere/' "$scratch/moved/tests.list"
! "${empty[@]}" ../moved/run --no-bench --tests hf-vit --out broken.txt >output 2>&1 || failed "a failed test is not seen"
grep -q 'hf-vit: FAILED' broken.txt || failed "the report does not name the failed test"
