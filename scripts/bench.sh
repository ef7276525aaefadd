#!/usr/bin/env bash
# scripts/bench.sh [--only NAME,NAME] [--json FILE] [--record FILE] [--threads 1,2] [--rounds N] [--seconds S]
#                  [--costs KIND] [--build DIR] [--before DIR]
#
# Measures Backflow against PyTorch and libtorch, in one run: installs and builds what that needs, checks that both
# sides compute the same numbers, times them by turns and prints ours, the peer's, ratio = peer / ours, and the spread;
# where a workload has a time per step, also the best of each side on any number of threads (ours/peer's).
#   --only      these workloads alone: linreg, chain1000, tensmul, wide1000, mlp, towers8, lenet, inception, resnet18,
#               resnet18_winograd, branches8; or groups of rows of one operator each: elementwise, chains, reductions,
#               indexing, inference; or such a row, as elementwise.add. Only run when they are named: weak (2 ranks against 1 and
#               against PyTorch's DDP), allreduce (against MPI's), or such a row, as weak_mlp; and cores, predicted speed-ups
#               on 16 and 64 cores (bench_cores), without a peer; and files: dumps and safetensors of 1 GB in the folder of temporary
#               files ($TMPDIR) against plain calls of the system
#   --json      also writes the rows to FILE, as a list of objects with the keys name, dtype, threads, metric (step_us,
#               forward_ns_per_op, backward_ns_per_op, peak_mb, efficiency, all_reduce_us,
#               predicted_speedup_16 or predicted_speedup_64), ours, peer_name, peer, ratio; without the peer, the last
#               two are null
#   --record    also writes the rows, each with its spread in percent, with date, machine and versions: what
#               scripts/bench_tables.py makes the tables of README.md and docs/ from
#   --threads   numbers of threads (1,2)
#   --rounds    turns of every side (9), each of
#   --seconds   so many seconds (0.5), a tenth of that for a row of a group
#   --costs     of sharing work, for cores: measured, on an idle machine, or typical (measured)
#   --build     another build directory than build/release
#   --before    a build directory of another version, whose programs are then the only peer: ratio = before / ours, and
#               less than 1 says that we have become slower
# Exit code 1 when a check fails. What it measures, and how: docs/internals/benchmarks.md.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

directory=$root/build/release
peers=$root/build/bench-peers
options=()
while (($#)); do
  case $1 in
    --help | -h) show_help && exit 0 ;;
    --build) directory=$(realpath -m "${2:?--build needs a directory}") && peers=$directory/bench-peers && shift ;;
    --only | --json | --record | --threads | --rounds | --seconds | --costs | --before)
      options+=("$1" "${2:?$1 needs a value}") && shift
      ;;
    *) die "unknown option $1; see --help" ;;
  esac
  shift
done

# A peer that cannot be installed is reported in its rows; what we need ourselves is not optional.
"$root/scripts/setup.sh"
"$root/scripts/setup.sh" --bench || say "bench: continuing without the peers that are missing"

say "building"
(
  cd "$root"
  nice cmake --preset release -B "$directory" --log-level=WARNING >/dev/null
  nice cmake --build "$directory" --parallel "${CMAKE_BUILD_PARALLEL_LEVEL:-$(jobs)}" \
    --target bench_workloads bench_weak bench_all_reduce bench_step_graph bench_operators bench_onednn_limit bench_cores \
    bench_files
)

# libtorch's program, made anew when one of its sources is newer.
libtorch=$peers/libtorch_small_ops
sources=("$root/bench/peers/libtorch_small_ops.cpp" "$root/bench/small_ops.h" "$root/bench/tiny_ops.h"
  "$root/bench/harness.h")
headers=/usr/include/torch/csrc/api/include
if [[ ! -d $headers ]]; then
  libtorch=
elif [[ ! -e $libtorch || -n $(find "${sources[@]}" -newer "$libtorch") ]]; then
  mkdir -p "$peers"
  nice g++ -std=c++20 -O2 -w -isystem "$headers" -I "$directory/include" "${sources[0]}" -o "$libtorch" \
    -ltorch -ltorch_cpu -lc10 || die "cannot build bench/peers/libtorch_small_ops.cpp"
fi

say "measuring"
python3 "$root/scripts/bench.py" --build "$directory" ${libtorch:+--libtorch "$libtorch"} "${options[@]}"
