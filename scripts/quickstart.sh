#!/usr/bin/env bash
# scripts/quickstart.sh [--ranks N] [--config FILE] [--out DIR] [OPTION...]
#
# From a fresh machine to a trained network: installs what is missing, builds, and trains the network of
# configs/fashion_mnist_mlp.toml on N processes (2). Other options go to `backflow train`, as in --set train.epochs=1.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

ranks=2
config=$root/configs/fashion_mnist_mlp.toml
out=
options=()
while (($#)); do
  case $1 in
    --ranks) ranks=${2:?--ranks needs a number} && shift ;;
    --config) config=${2:?--config needs a file} && shift ;;
    --out) out=${2:?--out needs a directory} && shift ;;
    --help | -h) show_help && exit 0 ;;
    *) options+=("$1") ;;
  esac
  shift
done
[[ -f $config ]] || die "no such file: $config"
: "${out:=$root/runs/$(basename "$config" .toml)/$(date +%Y-%m-%d-%H%M%S)}"

"$root/scripts/setup.sh"
say "building"
build release backflow_program
say "training $(basename "$config") on $ranks processes"
"$root/scripts/mpirun.sh" -n "$ranks" "$root/build/release/bin/backflow" train "$config" --out "$out" "${options[@]}"

final=$(tail -n 1 "$out/metrics.jsonl")
accuracy=$(python3 -c 'import json, sys; print(json.loads(sys.argv[1])["test_accuracy"])' "$final") ||
  die "no final line in $out/metrics.jsonl"
say "test accuracy: $accuracy"
say "files: $out"
(cd "$out" && ls -d -- * | sed 's/^/     /')
