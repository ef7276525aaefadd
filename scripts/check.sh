#!/usr/bin/env bash
# scripts/check.sh [--all] [--base COMMIT]
#
# What a change must pass besides the tests: format, clang-tidy on the changed files, who includes whom, public headers
# that compile alone, scripts that parse. One line each; exit code 1 if any fails.
#   --base    changed since COMMIT; without it, since origin/main, or else the last commit and what is not committed
#   --all     clang-tidy on all files: minutes per ten files
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

tidy_limit=20 # files, in a run without --all
tidy_seconds=180 # a file
base=
while (($#)); do
  case $1 in
    --all) tidy_limit=100000 ;;
    --base) base=${2:?--base needs a commit} && shift ;;
    --help | -h) show_help && exit 0 ;;
    *) die "unknown option $1; see --help" ;;
  esac
  shift
done

"$root/scripts/setup.sh" --dev
cd "$root"
git rev-parse --git-dir >/dev/null 2>&1 || die "this needs a git work tree"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failed=no
workers=$(jobs)

# report NAME COUNT-OF-WHAT: OK if the check's output, in $scratch/out, is empty; what it says otherwise.
report() {
  if [[ -s $scratch/out ]]; then
    cat "$scratch/out"
    say "$1: FAILED"
    failed=yes
  else
    say "$1: OK ($2)"
  fi
}

# in_parallel COMMAND: runs it with each file that standard input names as $1; a failure's output lands in $scratch/out.
in_parallel() {
  scratch=$scratch xargs -r -d '\n' -n 1 -P "$workers" nice bash -c '
    out=$(mktemp -p "$scratch" part.XXXXXX)
    check() { '"$1"'; }
    if check "$1" >"$out" 2>&1; then rm "$out"; else echo "$1: failed" >>"$out"; fi' bash || true
  cat "$scratch"/part.* >"$scratch/out" 2>/dev/null || true
  rm -f "$scratch"/part.*
}

# tracked PATTERN...: the files of the tree, with those that git does not know yet.
tracked() {
  git ls-files --cached --others --exclude-standard -- "$@" | while IFS= read -r file; do
    [[ ! -e $file ]] || printf '%s\n' "$file"
  done
}

changed() {
  local from=$base
  if [[ -z $from ]]; then
    from=$(git merge-base HEAD origin/main 2>/dev/null || true)
    # In a fresh clone of main the two are the same: then the last commit counts.
    if [[ -z $from || $from == "$(git rev-parse HEAD)" ]]; then from=$(git rev-parse --verify -q HEAD~1 || true); fi
  fi
  {
    if [[ -n $from ]]; then git diff --name-only "$from" -- '*.cpp'; else git ls-files -- '*.cpp'; fi
    git ls-files --others --exclude-standard -- '*.cpp'
  } | sort -u | while IFS= read -r file; do
    [[ ! -e $file ]] || printf '%s\n' "$file"
  done
}

# The compile commands and the generated headers of the release build.
if ! { cmake --preset release --log-level=WARNING && cmake --build --preset release --target backflow_generate; } \
  >"$scratch/configure" 2>&1; then
  cat "$scratch/configure"
  die "the release build does not configure"
fi

tracked '*.cpp' '*.h' >"$scratch/files"
in_parallel 'clang-format --dry-run -Werror "$1"' <"$scratch/files"
report format "$(wc -l <"$scratch/files") files"

python3 scripts/check_includes.py --self-test >"$scratch/out" || true
python3 scripts/check_includes.py >>"$scratch/out" || true
report includes "layers and third-party headers"

# Each public header compiles alone. Most are the first line of their own source, so every build shows that; the others are
# compiled here. All together are compiled without the build's definitions, and with warnings as errors.
compile_headers='g++ -std=c++20 -fsyntax-only -Wall -Wextra -Wpedantic -Werror -Ibuild/release/include -Ibuild/release/generated -x c++ -'
python3 scripts/check_includes.py --public-headers >"$scratch/public"
python3 scripts/check_includes.py --lone-headers >"$scratch/files"
in_parallel 'printf "#include <backflow/%s>\n" "$1" | '"$compile_headers" <"$scratch/files"
sed 's|.*|#include <backflow/&>|' "$scratch/public" | nice $compile_headers >>"$scratch/out" 2>&1 || true
report "headers alone" "$(wc -l <"$scratch/public") headers, $(wc -l <"$scratch/files") of them without a source of their own"

tracked '*.sh' .ci/run >"$scratch/files"
in_parallel 'bash -n "$1"' <"$scratch/files"
mv "$scratch/out" "$scratch/shell"
tracked '*.py' >"$scratch/python"
in_parallel 'python3 -c "import ast, sys; ast.parse(open(sys.argv[1]).read(), sys.argv[1])" "$1"' <"$scratch/python"
cat "$scratch/shell" >>"$scratch/out"
report scripts "$(cat "$scratch/files" "$scratch/python" | wc -l) files"

if ((tidy_limit == 100000)); then tracked '*.cpp' >"$scratch/changed"; else changed >"$scratch/changed"; fi
# Only what is compiled here: not the peers of the benches, nor folders that this build leaves out. The newest first.
while IFS= read -r file; do
  ! grep -qF "\"$root/$file\"" build/release/compile_commands.json || printf '%s\t%s\n' "$(stat -c %Y "$file")" "$file"
done <"$scratch/changed" | sort -rn | cut -f 2 >"$scratch/candidates"
head -n "$tidy_limit" "$scratch/candidates" >"$scratch/files"
in_parallel "timeout $tidy_seconds clang-tidy --quiet -p build/release"' "$1" 2>/dev/null' <"$scratch/files"
left=$(($(wc -l <"$scratch/candidates") - $(wc -l <"$scratch/files")))
report clang-tidy "$(wc -l <"$scratch/files") changed files; $left left out, --all takes them"

[[ $failed == no ]]
