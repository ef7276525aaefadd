#!/usr/bin/env bash
# scripts/tsan_tbb.sh
#
# Builds the system's version of oneTBB with ThreadSanitizer, in build/tbb-tsan, where the preset tsan looks for it: with
# Debian's own library, which does not tell the sanitizer what it synchronises, every task is reported as a race.
# The source is Debian's, fetched with apt. Done once; scripts/test.sh tsan calls this.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

if [[ ${1:-} == --help || ${1:-} == -h ]]; then
  show_help
  exit 0
fi
prefix=$root/build/tbb-tsan
version=$(dpkg-query -W -f '${Version}' libtbb-dev)
if [[ $(cat "$prefix/version" 2>/dev/null) == "$version" ]]; then
  exit 0
fi

say "building oneTBB $version with ThreadSanitizer in build/tbb-tsan"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"

# apt's lists have no sources by default: have our own, from the same mirror.
release=$(. /etc/os-release && echo "$VERSION_CODENAME")
mirror=$(apt-get indextargets --format '$(LABEL) $(REPO_URI)' | awk '$1 == "Debian" {print $2; exit}')
mkdir -p lists/partial
echo "deb-src ${mirror:-http://deb.debian.org/debian} $release main" >sources.list
apt=(apt-get -qq -o Dir::Etc::sourcelist="$scratch/sources.list" -o Dir::Etc::sourceparts=-
  -o Dir::State::lists="$scratch/lists" -o APT::Sandbox::User=root)
"${apt[@]}" update
"${apt[@]}" source --download-only onetbb
mkdir source
tar -xf onetbb_*.orig.tar.* -C source --strip-components 1

rm -rf "$prefix"
nice cmake -S source -B build -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DTBB_SANITIZE=thread -DTBB_TEST=OFF \
  -DTBB_STRICT=OFF -DTBBMALLOC_PROXY_BUILD=OFF -DCMAKE_INSTALL_PREFIX="$prefix" -DCMAKE_INSTALL_LIBDIR=lib >log 2>&1 &&
  nice cmake --build build --parallel "$(jobs)" >>log 2>&1 && cmake --install build >>log || {
  tail -n 40 log
  die "oneTBB does not build"
}
echo "$version" >"$prefix/version"
