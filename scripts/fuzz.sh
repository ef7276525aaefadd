#!/usr/bin/env bash
# scripts/fuzz.sh [--seconds N] [--jobs N] [READER...]
#
# Builds the fuzz targets of tests/fuzz with clang, libFuzzer, AddressSanitizer and UndefinedBehaviorSanitizer, and runs each.
#   --seconds N  of each target; 60 unless given
#   --jobs N     targets that run side by side; 1 unless given
# Without a name, all. What a target finds new is kept in build/fuzz/corpus/<reader>. Exit code 1 when a target fails: its
# input lies in build/fuzz/findings, and belongs into tests/fuzz/corpus/<reader> together with the correction.
set -uo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

seconds=60
jobs=1
readers=()
while (($#)); do
  case $1 in
    --help | -h) show_help && exit 0 ;;
    --seconds) seconds=${2:?--seconds needs a number} && shift ;;
    --jobs) jobs=${2:?--jobs needs a number} && shift ;;
    -*) die "unknown option $1; see --help" ;;
    *) readers+=("$1") ;;
  esac
  shift
done
command -v clang++ >/dev/null || die "no clang++: need Debian's packages clang and libclang-rt-dev"
if ((!${#readers[@]})); then
  for source in "$root"/tests/fuzz/fuzz_*.cpp; do
    name=${source##*/fuzz_}
    readers+=("${name%.cpp}")
  done
fi

export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
build fuzz "${readers[@]/#/fuzz_}" || exit 1

# fuzz READER: one target; says in a line how it went.
fuzz() {
  local reader=$1 program=$root/build/fuzz/bin/fuzz_$1 corpus=$root/build/fuzz/corpus/$1 seeds=$root/tests/fuzz/corpus/$1
  local findings=$root/build/fuzz/findings log=$root/build/fuzz/findings/$1.log
  mkdir -p "$corpus" "$findings"
  [[ -d $seeds ]] || seeds=
  local -a options
  read -ra options < <(sed -n 's|^// libFuzzer: ||p' "$root/tests/fuzz/fuzz_$reader.cpp")
  if "$program" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 "${options[@]}" \
    -artifact_prefix="$findings/$reader-" "$corpus" ${seeds:+"$seeds"} >"$log" 2>&1; then
    say "$reader: clean, $(awk '/number_of_executed_units/ {print $2}' "$log") inputs in $seconds s"
  else
    tail -n 40 "$log"
    say "$reader: FAILED, see $log; again: $program $(grep -o "$findings/$reader-[a-z]*-[0-9a-f]*" "$log" | tail -n 1)"
    return 1
  fi
}

code=0
running=0
for reader in "${readers[@]}"; do
  if ((running == jobs)); then
    wait -n || code=1
    running=$((running - 1))
  fi
  fuzz "$reader" &
  running=$((running + 1))
done
while ((running > 0)); do
  wait -n || code=1
  running=$((running - 1))
done
exit "$code"
