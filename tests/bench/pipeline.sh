#!/bin/sh
# Times a whole pipeline, 720p NV12 in, messages out, beside vit-bench with the same model and frames, in turns.
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# usage: tests/bench/pipeline.sh [BUILD] [--quick] [--model=PATH] [--frames=N] [--rounds=N] [PROPERTY=VALUE...]
#
# PROPERTY=VALUE are vitclassify's. The frames come from one test picture that is repeated, which costs nothing. The rate is
# that of N frames: the time of a run of N + 1 frames less that of a run of one, which starts as slowly. The last line is
# what the source's thread, which uploads, and the element's, which pushes, take of a CPU, the driver's threads left out.
set -eu
build=build model=models/cifar10-vit frames=100 rounds=3 properties=
for arg in "$@"; do
  case $arg in
    --quick) frames=20 rounds=1 ;;
    --model=*) model=${arg#*=} ;;
    --frames=*) frames=${arg#*=} ;;
    --rounds=*) rounds=${arg#*=} ;;
    -*) sed -n '5s/^# //p' "$0" >&2; exit 2 ;;
    *=*) properties="$properties $arg" ;;
    *) build=$arg ;;
  esac
done
# shellcheck disable=SC2086 # properties are words
set -- $properties
GST_PLUGIN_PATH=$build/plugin
export GST_PLUGIN_PATH

# vit-bench chooses the software driver's width by itself: both get the same
if [ -z "${LP_NATIVE_VECTOR_WIDTH:-}" ] && grep -q avx512f /proc/cpuinfo; then
  export LP_NATIVE_VECTOR_WIDTH=512
fi

now_ms () {
  date +%s%3N
}

# milliseconds of a pipeline of $1 frames; the rest are properties
pipeline_ms () {
  n=$1
  shift
  begin=$(now_ms)
  gst-launch-1.0 -q videotestsrc num-buffers=1 ! video/x-raw,format=NV12,width=1280,height=720 \
    ! imagefreeze num-buffers="$n" ! vitclassify model="$model" message-mode=all "$@" ! fakesink sync=false
  echo $(($(now_ms) - begin))
}

# Nanoseconds of CPU that each of the pipeline's own threads took, the driver's left out: read while the process lives.
own_threads () {
  while [ -d "/proc/$1/task" ]; do
    sample=$(for task in /proc/"$1"/task/*; do
      { read -r name < "$task/comm" && read -r ns rest < "$task/schedstat" && echo "$name $ns"; } 2>/dev/null || true
    done | grep ':s') || true
    [ -z "$sample" ] || last=$sample
    ! grep -q '^State:.Z' "/proc/$1/status" 2>/dev/null || break
    sleep 0.05
  done
  printf '%s\n' "${last:-}"
}

# microseconds of CPU a frame in the streaming threads: the source's, which uploads, and the element's, which pushes
own_time () {
  n=$1
  shift
  gst-launch-1.0 -q videotestsrc num-buffers=1 ! video/x-raw,format=NV12,width=1280,height=720 \
    ! imagefreeze num-buffers="$n" ! vitclassify model="$model" message-mode=all "$@" ! fakesink sync=false &
  own_threads $! | awk -v n="$n" '{ sum += $NF } END { printf "%.0f us of CPU a frame in the streaming threads\n",
    sum / n / 1000 }'
  wait
}

pipeline_ms 2 "$@" > /dev/null # compiles what is not in a cache yet
round=0
while [ "$round" -lt "$rounds" ]; do
  round=$((round + 1))
  one=$(pipeline_ms 1 "$@")
  all=$(pipeline_ms $((frames + 1)) "$@")
  alone=$("$build/host/tools/vit-bench" --json "$model" --frame 1280x720 --format nv12 --in-flight 2 --runs "$frames" \
    | sed -n 's/^  "images_per_s": \([0-9.]*\).*/\1/p')
  awk -v n="$frames" -v ms=$((all - one)) -v alone="$alone" 'BEGIN {
    rate = n * 1000 / (ms > 0 ? ms : 1)
    printf "pipeline %.2f images/s, vit-bench %.2f images/s, %.0f %%\n", rate, alone, 100 * rate / alone
  }'
done
own_time "$frames" "$@"
