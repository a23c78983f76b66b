#!/usr/bin/env bash
# Installs what `make test-guest` needs from Debian and builds the test's kernel module:
# QEMU from bookworm-backports where the release's own is older than 10, and a small Debian with the
# headers of the pinned kernel, in which the module is compiled. Idempotent.
set -euo pipefail
cd "$(dirname "$0")/../.."
cache=$PWD/.cache
mirror=$(apt-get indextargets --format '$(REPO_URI) $(ORIGIN) $(LABEL)' | awk '$2 == "Debian" && $3 == "Debian" { print $1; exit }')
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
kernel=$(sed -n 's/.*"name": "linux-binary-\(.*\)".*/\1/p' enclave/image/packages.json)

install() { # suite, packages…
  local suite=$1 state=$cache/apt-host
  shift
  mkdir -p "$state/lists/partial"
  for each in bookworm bookworm-backports; do
    echo "deb [signed-by=$keyring] $mirror $each main"
  done >"$state/sources.list"
  local options=(-o "Dir::Etc::sourcelist=$state/sources.list" -o Dir::Etc::sourceparts=/dev/null
    -o "Dir::State::lists=$state/lists" -o APT::Sandbox::User=root -q)
  apt-get "${options[@]}" update >/dev/null
  DEBIAN_FRONTEND=noninteractive apt-get "${options[@]}" install -y --no-install-recommends \
    -t "$suite" "$@" >/dev/null
}

version=$(qemu-system-x86_64 --version 2>/dev/null | sed -n '1s/.*version \([0-9]*\).*/\1/p')
if [ "${version:-0}" -lt 10 ]; then install bookworm-backports qemu-system-x86; fi
missing=()
command -v mmdebstrap >/dev/null || missing+=(mmdebstrap)
command -v swtpm >/dev/null || missing+=(swtpm)
command -v xmllint >/dev/null || missing+=(libxml2-utils)
[ -e /usr/share/OVMF/OVMF_CODE_4M.fd ] || missing+=(ovmf)
if [ "${#missing[@]}" -gt 0 ]; then install bookworm "${missing[@]}"; fi

toolchain=$cache/toolchain-$kernel
if [ ! -e "$toolchain/.complete" ]; then
  rm -rf "$toolchain"
  mmdebstrap --quiet --mode=root --variant=essential --aptopt='APT::Install-Recommends "false"' \
    --include="linux-headers-$kernel,gcc-14,make" trixie "$toolchain" \
    "deb $mirror trixie main" "deb $mirror trixie-backports main"
  touch "$toolchain/.complete"
fi

# Unpacked and never installed: the QEMU whose option parser knows TDX, as a linter.
newer=$cache/qemu-11
if [ ! -e "$newer/.complete" ]; then
  rm -rf "$newer"
  mmdebstrap --quiet --mode=root --variant=extract --aptopt='APT::Install-Recommends "false"' \
    --aptopt='APT::Default-Release "trixie-backports"' --include=qemu-system-x86 trixie "$newer" \
    "deb $mirror trixie-backports main" "deb $mirror trixie main"
  touch "$newer/.complete"
fi

rm -rf "$toolchain/module"
cp -r test/guest/module "$toolchain/module"
unshare --mount --fork sh -ec "mount -t proc proc '$toolchain/proc' && exec chroot '$toolchain' \
  make -s -C '/usr/src/linux-headers-$kernel' M=/module modules"
chroot "$toolchain" strip --strip-debug /module/tsm_test.ko
mkdir -p build/guest
cp "$toolchain/module/tsm_test.ko" build/guest/tsm_test.ko
gcc -Wall -Wextra -Werror -Os -static -s -o build/guest/start test/guest/module/start.c
