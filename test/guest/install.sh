#!/usr/bin/env bash
# Installs what `make test-guest` needs from Debian: QEMU from bookworm-backports where the release's
# own is older than 10, a small Debian with the headers of the pinned kernel, in which the test's module
# is compiled, QEMU 11 as a linter, and a compiler and lz4 for what the tests add to the image.
# Idempotent; it fails only where a mirror has not got them, or where it may not change the root directory
# for the compiler.
set -euo pipefail
cd "$(dirname "$0")/../.."
unshare --mount chroot / true || { echo 'test-guest compiles a kernel module in a chroot: run it as root'; exit 1; }
cache=$PWD/.cache
mirror=$(apt-get indextargets --format '$(REPO_URI) $(ORIGIN) $(LABEL)' | awk '$2 == "Debian" && $3 == "Debian" { print $1; exit }')
if [ -z "$mirror" ]; then
  apt-get -qq update
  mirror=$(apt-get indextargets --format '$(REPO_URI) $(ORIGIN) $(LABEL)' | awk '$2 == "Debian" && $3 == "Debian" { print $1; exit }')
fi
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
kernel=$(sed -n 's/.*"name": "linux-binary-\(.*\)".*/\1/p' enclave/image/packages.json)
release=$(. /etc/os-release && echo "$VERSION_CODENAME")
retries='Acquire::Retries=5'

install() { # suite, packages…
  local suite=$1 state=$cache/apt-host
  shift
  mkdir -p "$state/lists/partial"
  for each in "$release" "$release-backports"; do
    echo "deb [signed-by=$keyring] $mirror $each main"
  done >"$state/sources.list"
  local options=(-o "Dir::Etc::sourcelist=$state/sources.list" -o Dir::Etc::sourceparts=/dev/null
    -o "Dir::State::lists=$state/lists" -o APT::Sandbox::User=root -o "$retries" -q)
  apt-get "${options[@]}" update >/dev/null
  DEBIAN_FRONTEND=noninteractive apt-get "${options[@]}" install -y --no-install-recommends \
    -t "$suite" "$@" >/dev/null
}

debian() { # folder, variant, default release, packages, sources…
  local folder=$1 variant=$2 default=$3 packages=$4
  shift 4
  if [ -e "$folder/.complete" ]; then return; fi
  rm -rf "$folder"
  mmdebstrap --quiet --mode=root --variant="$variant" --aptopt='APT::Install-Recommends "false"' \
    --aptopt='Acquire::Retries "5"' --aptopt="APT::Default-Release \"$default\"" \
    --include="$packages" trixie "$folder" "$@"
  touch "$folder/.complete"
}

version=$({ qemu-system-x86_64 --version || true; } 2>/dev/null | sed -n '1s/.*version \([0-9]*\).*/\1/p')
if [ "${version:-0}" -lt 10 ]; then install "$release-backports" qemu-system-x86; fi
missing=()
command -v mmdebstrap >/dev/null || missing+=(mmdebstrap)
command -v ip >/dev/null || missing+=(iproute2)
command -v gcc >/dev/null || missing+=(gcc libc6-dev)
command -v lz4 >/dev/null || missing+=(lz4)
command -v swtpm >/dev/null || missing+=(swtpm)
command -v xmllint >/dev/null || missing+=(libxml2-utils)
[ -e /usr/share/OVMF/OVMF_CODE_4M.fd ] || missing+=(ovmf)
if [ "${#missing[@]}" -gt 0 ]; then install "$release" "${missing[@]}"; fi

debian "$cache/toolchain-$kernel" essential trixie "linux-headers-$kernel,gcc-14,make" \
  "deb $mirror trixie main" "deb $mirror trixie-backports main"
# Unpacked and never installed: the QEMU whose option parser knows TDX.
debian "$cache/qemu-11" extract trixie-backports qemu-system-x86 \
  "deb $mirror trixie-backports main" "deb $mirror trixie main"
