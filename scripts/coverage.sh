#!/usr/bin/env bash
# scripts/coverage.sh [FOLDER...] [--min PERCENT] [--no-run] [--tests REGEX]
#
# Which lines of the libraries, or of these FOLDERs alone, the tests run: builds the preset
# coverage, runs the tests labelled unit and mpi that are not slow, and prints every file with the lines that never ran,
# then every folder.
#   --min      exit code 1 when a folder has less than this percentage of its lines run, as in: scripts/coverage.sh ops --min 90
#   --no-run   neither builds nor runs: what the last run left
#   --tests    only the tests whose name matches; builds all the same
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

folders=()
minimum=0
run=yes
tests=.
while (($#)); do
  case $1 in
    --min) minimum=${2:?--min needs a percentage} && shift ;;
    --no-run) run=no ;;
    --tests) tests=${2:?--tests needs a regular expression} && shift ;;
    --help | -h) show_help && exit 0 ;;
    -*) die "unknown option $1; see --help" ;;
    *) [[ -d $root/${1%/} ]] || die "no such folder: $1" && folders+=("${1%/}") ;;
  esac
  shift
done
((${#folders[@]})) || folders=(runtime ops nn exchange io serialize distributed train)
[[ $minimum =~ ^[0-9]+(\.[0-9]+)?$ ]] || die "--min $minimum: need a percentage, as in 90"

"$root/scripts/setup.sh" --dev
directory=$root/build/coverage
cd "$root"
if [[ $run == yes ]]; then
  say "building coverage"
  build coverage
  find "$directory" -name '*.gcda' -delete
  say "testing coverage"
  nice ctest --preset coverage -L 'unit|mpi' -LE slow -R "$tests" || die "the tests fail: what they cover means nothing"
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
filters=()
for folder in "${folders[@]}"; do
  filters+=(--filter "$root/$folder/")
done
# gcov's own bugs show as counters that gcovr would stop at.
nice gcovr -j "$(jobs)" --root "$root" --object-directory "$directory" "${filters[@]}" --gcov-ignore-parse-errors \
  --json "$scratch/json" "$directory" 2>"$scratch/log" || { cat "$scratch/log" >&2 && die "gcovr failed"; }
say "lines that ran, of how many, and those that did not"
python3 scripts/coverage.py "${directory#"$root"/}/include/backflow" "$minimum" "${folders[@]}" <"$scratch/json"
