# Shared by the scripts here; to be sourced. Sets root, the top of the tree, and goes nowhere else.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() { printf '== %s\n' "$*"; }
die() {
  printf '%s: error: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

# The comment at the top of a script is its help.
show_help() { sed -n '2,/^[^#]/{s/^# \{0,1\}//p}' "$0"; }

# One compiler takes up to 1.5 GB: no more of them than fit, nor than there are cores.
jobs() {
  local memory_kb fit
  memory_kb=$(awk '/MemAvailable/ {print $2}' /proc/meminfo)
  fit=$((memory_kb / 1500000))
  ((fit >= 1)) || fit=1
  ((fit <= $(nproc))) || fit=$(nproc)
  echo "$fit"
}

# build PRESET [TARGET...]: configures and builds, all of it without targets.
build() {
  local preset=$1
  shift
  (
    cd "$root"
    nice cmake --preset "$preset" --log-level=WARNING >/dev/null
    nice cmake --build --preset "$preset" --parallel "${CMAKE_BUILD_PARALLEL_LEVEL:-$(jobs)}" ${1:+--target "$@"}
  )
}

# targets_of PRESET: what its tests need to be built, if that is not all.
targets_of() {
  if [[ $1 == tsan ]]; then
    echo test_runtime test_ops test_nn test_distributed planted_race
  fi
}
