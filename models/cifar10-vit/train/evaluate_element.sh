#!/bin/sh
# Accuracy of the built-in model through the element: CIFAR-10's test pictures as frames of a real pipeline.
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# usage: evaluate_element.sh FRAMES [PREDICTIONS] [PROPERTY=VALUE ...]
# FRAMES is the folder that `pack.py --frames` wrote (test.rgb: 32x32 RGB frames; test.txt: their classes).
# PREDICTIONS is what `evaluate.py --predictions` wrote: the answers are then compared picture by picture.
# Properties go to vitclassify, for example device=cpu precision=fp32 model=FOLDER.
set -eu

[ $# -ge 1 ] || { sed -n '5,8s/^# //p' "$0" >&2; exit 2; }
frames=$1
shift
predictions=
case ${1-} in
  '' | *=*) ;;
  *) predictions=$1; shift ;;
esac
for file in "$frames/test.rgb" "$frames/test.txt" ${predictions:+"$predictions"}; do
  [ -r "$file" ] || { echo "evaluate_element.sh: can't read $file; pack.py --frames and evaluate.py write it" >&2; exit 2; }
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
gst-launch-1.0 -q filesrc location="$frames/test.rgb" blocksize=3072 \
  ! rawvideoparse format=rgb width=32 height=32 framerate=25/1 \
  ! vitclassify "$@" ! vitmetatext format=ndjson ! filesink location="$work/answers.ndjson"

# One line a picture: LABEL PROBABILITY
sed 's/.*"classes": *\[{\([^}]*\)}.*/\1/; s/.*"label": *"\([^"]*\)".*"confidence": *\([-+.0-9eE]*\).*/\1 \2/' \
  "$work/answers.ndjson" >"$work/answers.txt"
expected=$(wc -l <"$frames/test.txt")
found=$(wc -l <"$work/answers.txt")
if [ "$expected" -ne "$found" ]; then
  echo "evaluate_element.sh: $found answers for $expected pictures" >&2
  exit 1
fi

paste -d ' ' "$frames/test.txt" "$work/answers.txt" ${predictions:+"$predictions"} | awk '
  { n++; element += $1 == $2 }
  NF == 5 {
    compared = 1
    python += $1 == $4
    differ += $2 != $4
    gap = $3 > $5 ? $3 - $5 : $5 - $3
    if ($2 == $4 && gap > largest) largest = gap
  }
  END {
    printf "vitclassify: %d of %d right, %.2f %%\n", element, n, 100 * element / n
    if (compared) {
      printf "timm:        %d of %d right, %.2f %%\n", python, n, 100 * python / n
      printf "%d answers differ; where they agree, the probability differs by %.6f at most\n", differ, largest
    }
  }'
