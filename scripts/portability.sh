#!/usr/bin/env bash
# scripts/portability.sh [PRESET] [CTEST-OPTION...]
#
# Runs scripts/test.sh, with the same arguments, on Debian 13: in a root made with debootstrap, which stays in
# ${XDG_CACHE_HOME:-~/.cache}/backflow/debian13 with its build, so that the next run is quicker. Needs root (mount, chroot)
# and the network. BACKFLOW_DEBIAN13 names another directory.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

if [[ ${1:-} == --help || ${1:-} == -h ]]; then
  show_help
  exit 0
fi
((EUID == 0)) || die "need root for mount and chroot; run: sudo $0 $*"
debian=${BACKFLOW_DEBIAN13:-${XDG_CACHE_HOME:-$HOME/.cache}/backflow/debian13}
src=$debian/src/backflow

# This system's own settings for proxies, as apt knows them.
apt_proxies() { apt-config dump 2>/dev/null | grep -E '^Acquire::(https?|ftp)::.*(Proxy|CaInfo|Verify)' || true; }

# This system's own mirror of Debian first, if it has one.
mirrors() {
  apt-get indextargets --format '$(ORIGIN) $(LABEL) $(REPO_URI)' 2>/dev/null | awk '$1 == "Debian" && $2 == "Debian" {print $3}' |
    sort -u | head -n 1
  echo http://deb.debian.org/debian
}

bootstrap() {
  command -v debootstrap >/dev/null || apt-get install -q -y --no-install-recommends debootstrap
  local http_proxy=${http_proxy:-} mirror
  eval "$(apt-config shell http_proxy Acquire::http::Proxy)"
  [[ -z $http_proxy ]] || export http_proxy
  for mirror in $(mirrors); do
    say "portability: making a Debian 13 in $debian from $mirror"
    # What is there is a failed attempt of ours, or nothing.
    if [[ -e $debian/.backflow ]]; then
      rm -rf --one-file-system "$debian"
    fi
    mkdir -p "$debian"
    [[ -z $(ls -A "$debian") ]] || die "$debian is not empty, and not ours: remove it, or name another directory"
    touch "$debian/.backflow"
    if debootstrap --variant=minbase --include=ca-certificates trixie "$debian" "$mirror"; then
      touch "$debian/.complete"
      return
    fi
  done
  die "debootstrap failed; see $debian/debootstrap/debootstrap.log"
}

# What the root needs of this system to reach the network.
copy_settings() {
  cp -L /etc/resolv.conf /etc/hosts "$debian/etc/"
  apt_proxies >"$debian/etc/apt/apt.conf.d/90host"
  if [[ -f /etc/ssl/certs/ca-certificates.crt ]]; then
    cp -L /etc/ssl/certs/ca-certificates.crt "$debian/etc/ssl/certs/"
  fi
}

# The files that git knows or would, as they are now. Only what differs is written, with the time of now (its own may lie
# before that of what was built of another version), so that only that is built again.
copy_source() {
  local new=$src.new file
  rm -rf "$new"
  mkdir -p "$new" "$src"
  git -C "$root" ls-files -z --cached --others --exclude-standard |
    (cd "$root" && while IFS= read -r -d '' file; do [[ ! -e $file ]] || printf '%s\0' "$file"; done) |
    tar -C "$root" --null --no-recursion -T - -c | tar -C "$new" --no-same-owner -x
  (cd "$src" && find . -path ./build -prune -o ! -type d -print0) |
    while IFS= read -r -d '' file; do [[ -e $new/$file ]] || rm "$src/$file"; done
  (cd "$new" && find . ! -type d -print0) |
    while IFS= read -r -d '' file; do
      if ! cmp -s "$new/$file" "$src/$file"; then
        mkdir -p "$(dirname "$src/$file")"
        cp --preserve=mode,links --no-dereference "$new/$file" "$src/$file"
      fi
    done
  rm -rf "$new"
}

[[ -f $debian/.complete ]] || bootstrap
copy_settings
copy_source

# In a mount and process namespace of its own: when the tests end, however they end, mounts and processes are gone.
say "portability: testing on Debian $(cat "$debian/etc/debian_version")"
code=0
unshare --mount --propagation private --pid --fork --kill-child bash -c '
  set -euo pipefail
  debian=$1 && shift
  mount -t proc proc "$debian/proc"
  mount --rbind /sys "$debian/sys"
  mount --rbind /dev "$debian/dev"
  exec chroot "$debian" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 "$@"
' bash "$debian" ${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} \
  ${CMAKE_BUILD_PARALLEL_LEVEL:+CMAKE_BUILD_PARALLEL_LEVEL="$CMAKE_BUILD_PARALLEL_LEVEL"} \
  /src/backflow/scripts/test.sh "$@" || code=$?
if ((code == 0)); then
  say "portability: OK"
else
  say "portability: FAILED on Debian 13"
fi
exit "$code"
