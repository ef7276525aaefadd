#!/usr/bin/env bash
# examples/custom_model.sh PROGRAM: trains the model of custom_model.toml in a folder that goes away, and prints what it
# reaches, to two decimals and without the seconds.
set -euo pipefail
config=$(cd "$(dirname "$0")" && pwd)/custom_model.toml
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$1" train "$config" --threads 1 --out "$folder/run" 2>&1 |
  sed -nE 's/^(test r2 [0-9]+\.[0-9]{2})[0-9]* (after [0-9]+ steps).*/\1 \2/p'
