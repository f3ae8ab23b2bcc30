#!/usr/bin/env bash
# Runs the engine's tests on other Debian releases' Mesa, at every SIMD width of its software driver.
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# usage: tests/drivers/mesa.sh [--tests "NAME..."] SUITE...    SUITE: trixie, sid; NAME: a meson test, instead of all
#
# As root, on Debian. A release is installed once, by debootstrap from the mirror that this machine's apt uses, into
# $MESA_CHROOTS/SUITE (default: /var/tmp/gst-vitclassify); after that a run copies the sources and builds what changed.
# Prints one line a width; failed tests are named above it and their output is in SUITE/build/meson-logs. The exit
# status is 77 where this machine can't make such a system.
set -euo pipefail

names=
if [ "${1-}" = --tests ] && [ $# -gt 2 ]; then
  names=$2
  shift 2
fi
if [ $# -lt 1 ] || [ "${1#-}" != "$1" ]; then
  sed -n '5s/^# //p' "$0" >&2
  exit 2
fi
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
chroots=${MESA_CHROOTS:-/var/tmp/gst-vitclassify}

cannot()
{
  echo "mesa.sh: $1" >&2
  exit 77
}
[ "$(id -u)" -eq 0 ] || cannot "debootstrap and chroot need root"
command -v debootstrap >/dev/null || cannot "debootstrap is not installed"

# Mounts are made in a namespace of their own and are gone with it, however this ends.
if [ -z "${MESA_UNSHARED-}" ]; then
  unshare --mount true 2>/dev/null || cannot "this machine doesn't let root mount anything"
  MESA_UNSHARED=1 exec unshare --mount -- "$0" ${names:+--tests "$names"} "$@"
fi

# Where this machine's apt gets Debian from; debootstrap knows a place by itself where it doesn't.
mirror()
{
  apt-get indextargets --format "\$(REPO_URI)" 'Created-By: Packages' 2>/dev/null | grep -v security | head -n 1 || true
}

# install_release SUITE: a minimal system in $root; debootstrap leaves a folder of that name in one half done
install_release()
{
  if [ ! -x "$root/usr/bin/apt-get" ] || [ -d "$root/debootstrap" ]; then
    rm -rf "$root"
    mkdir -p "$root"
    local from
    from=$(mirror)
    debootstrap --variant=minbase "$1" "$root" ${from:+"$from"} >"$root.log" 2>&1 || {
      tail -n 5 "$root.log" >&2
      cannot "debootstrap could not install $1, see $root.log"
    }
  fi
  mountpoint -q "$root/proc" || mount -t proc proc "$root/proc"
  mountpoint -q "$root/tmp" || mount -t tmpfs tmpfs "$root/tmp"
  mountpoint -q "$root/dev" || mount --bind /dev "$root/dev"
  # what apt needs to reach the mirror from here: a proxy, mostly
  cp /etc/resolv.conf "$root/etc/"
  apt-config dump | grep -E '^Acquire::(http|https|ftp|socks|Check-|Retries)' >"$root/etc/apt/apt.conf.d/90host" || true
}

# With their times, so that only what changed is built.
copy_sources()
{
  rm -rf "$root/src"
  mkdir -p "$root/src"
  local list=$root/src.list
  if git -C "$top" rev-parse --is-inside-work-tree >/dev/null 2>&1; then
    git -C "$top" ls-files -co --exclude-standard
  else
    find "$top" -type f -not -path "$top/build*" -not -path "$top/.git/*" -printf '%P\n'
  fi | while IFS= read -r f; do [ ! -f "$top/$f" ] || printf '%s\n' "$f"; done >"$list"
  tar -c -C "$top" -T "$list" | tar -x -C "$root/src" --no-same-owner
}

in_release()
{
  chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 XDG_RUNTIME_DIR=/tmp \
    MESA_SHADER_CACHE_DIR=/var/cache/mesa VIT_REQUIRE_GPU=1 "VK_DRIVER_FILES=$driver" \
    ${VIT_REQUIRE_COOPMAT:+VIT_REQUIRE_COOPMAT="$VIT_REQUIRE_COOPMAT"} "$@"
}

build()
{
  in_release /src/scripts/install-packages engine
  [ -f "$root/build/build.ninja" ] || in_release meson setup /build /src -Dtests=true -Dplugin=disabled
  in_release meson compile -C /build
}

# report TITLE MESON-TEST-ARGUMENT...: one line, and the names of failed tests
report()
{
  local title=$1
  shift
  in_release meson test -C /build --no-rebuild --timeout-multiplier 4 "$@" >"$root/test.log" 2>&1 || failed=1
  grep -E ' (FAIL|TIMEOUT|ERROR|INTERRUPT) ' "$root/test.log" | sed 's/^/  /' || true
  echo "$title: $(sed -nE 's/^(Ok|Fail|Skipped|Timeout): +([0-9]+) *$/\2 \1/p' "$root/test.log" | grep -v '^0 ' |
    tr '[:upper:]\n' '[:lower:],' | sed 's/,$//; s/,/, /g')"
}

driver=/usr/share/vulkan/icd.d/lvp_icd.json
failed=0
for suite in "$@"; do
  root=$chroots/$suite
  install_release "$suite"
  copy_sources
  build >"$root/build.log" 2>&1 || {
    tail -n 20 "$root/build.log"
    echo "$suite: does not build, see $root/build.log"
    failed=1
    continue
  }
  drivers=("$root"/usr/share/vulkan/icd.d/lvp_icd*.json)
  driver=${drivers[0]#"$root"}
  about=$(in_release /build/host/tools/vit-info | grep -m 1 -oE 'Mesa [^,]*' || true)
  if [ -n "$names" ]; then
    # shellcheck disable=SC2086 # names are words
    report "$suite, ${about:-no Mesa}" $names
  else
    for width in 128 256 512; do
      report "$suite, ${about:-no Mesa}, $width bits" --suite "width$width"
    done
  fi
done
exit "$failed"
