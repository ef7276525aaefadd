#!/usr/bin/env bash
# scripts/setup.sh [--dev] [--cluster] [--browser] [--torch] [--bench] [--check]
#
# Installs what Backflow needs and this Debian 12 or 13 lacks, with apt. Does nothing when all is there.
#   --dev     also what scripts/check.sh, coverage.sh and fuzz.sh need: clang-format, clang-tidy, gcovr, clang
#   --cluster also Slurm, of which a test starts one of its own; elsewhere that test is skipped
#   --browser also Chromium, in which a test opens reports and which draws `backflow report --png`; elsewhere both say so
#   --torch   also PyTorch, which scripts/compare_torch.py compares the operators with
#   --bench   also the peers that the benches are compared with: PyTorch and libtorch
#   --check   only list what is missing; exit code 1 if anything is
# On another system install what it lists, by hand, and set BACKFLOW_SKIP_SETUP=1.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# Debian 12 and 13 have the same names for all of these.
packages=(
  g++ cmake ninja-build ccache pkg-config git python3                   # to build
  libtbb-dev libdnnl-dev libhwy-dev                                     # to compute
  libhwloc-dev                                                          # to find cores and NUMA nodes
  libbackward-cpp-dev libdw-dev                                         # to name the lines of a stack
  libopenmpi-dev openmpi-bin                                            # to communicate
  libhdf5-openmpi-dev zlib1g-dev libtomlplusplus-dev nlohmann-json3-dev # to read and write
  libpng-dev libjpeg62-turbo-dev                                        # to read pictures
  libdeflate-dev                                                        # to unpack samples
  libcli11-dev libspdlog-dev libcpp-httplib-dev                         # for the program
  graphviz                                                              # to draw graphs
  dataset-fashion-mnist                                                 # to train on
  catch2 libbenchmark-dev hdf5-tools python3-h5py python3-numpy         # to test and measure
  tmux                                                                  # to test what a terminal shows
)
developer_packages=(clang-format clang-tidy gcovr libomp-dev) # the last for clang-tidy to find omp.h
developer_packages+=(clang libclang-rt-dev) # for scripts/fuzz.sh
cluster_packages=(slurm-wlm munge)
browser_packages=(chromium chromium-driver)
torch_packages=(python3-torch)
bench_packages=("${torch_packages[@]}" libtorch-dev libopenblas0-openmp)

check_only=no
for argument in "$@"; do
  case $argument in
    --dev) packages+=("${developer_packages[@]}") ;;
    --cluster) packages+=("${cluster_packages[@]}") ;;
    --browser) packages+=("${browser_packages[@]}") ;;
    --torch) packages+=("${torch_packages[@]}") ;;
    --bench) packages+=("${bench_packages[@]}") ;;
    --check) check_only=yes ;;
    --help | -h) show_help && exit 0 ;;
    *) die "unknown option $argument; see --help" ;;
  esac
done

explain_other_system() {
  cat >&2 <<END
setup.sh: this system is not Debian 12 or 13; please install, at least in these versions, or as Debian's packages:
  a C++20 compiler (g++ 12), CMake 3.25, Ninja, pkg-config, Python 3.9
  oneTBB 2021.8, oneDNN 2.6 (built for OpenMP), Google Highway 1.0, Open MPI 4.1, HDF5 1.10 built for it, zlib,
  libpng 1.6, libjpeg-turbo 2.1, libdeflate 1.14
  hwloc 2.4, backward-cpp 1.6 with libdw, Graphviz,
  toml++ 3.3, nlohmann-json 3.11, CLI11 2.1, spdlog 1.10, cpp-httplib 0.11, Catch2 2.13, Google Benchmark 1.7, h5py, h5dump, tmux
  Debian's names: ${packages[*]}
Then set BACKFLOW_SKIP_SETUP=1, which makes this script do nothing.
END
  exit 1
}

if [[ ${BACKFLOW_SKIP_SETUP:-} == 1 ]]; then
  say "setup: skipped (BACKFLOW_SKIP_SETUP=1)"
  exit 0
fi
if ! grep -qs '^ID=debian$' /etc/os-release || ! command -v dpkg-query >/dev/null; then
  explain_other_system
fi

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
  [[ $status == installed* ]] || missing+=("$package")
done

if ((${#missing[@]} == 0)); then
  say "setup: everything is installed"
  exit 0
fi
say "setup: missing: ${missing[*]}"
if [[ $check_only == yes ]]; then
  exit 1
fi

as_root=()
if ((EUID != 0)); then
  command -v sudo >/dev/null || die "need root to install them; run as root: apt-get install ${missing[*]}"
  as_root=(sudo)
fi
"${as_root[@]}" apt-get update -q
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y -o Dpkg::Use-Pty=0 --no-install-recommends "${missing[@]}"
say "setup: done"
