#!/usr/bin/env bash
# Installs what `make test-guest` needs and builds the test's kernel module and the program that it
# starts. Idempotent.
set -euo pipefail
cd "$(dirname "$0")/../.."
test/guest/install.sh
kernel=$(sed -n 's/.*"name": "linux-binary-\(.*\)".*/\1/p' enclave/image/packages.json)
toolchain=$PWD/.cache/toolchain-$kernel

rm -rf "$toolchain/module"
cp -r test/guest/module "$toolchain/module"
unshare --mount --fork sh -ec "mount -t proc proc '$toolchain/proc' && exec chroot '$toolchain' \
  make -s -C '/usr/src/linux-headers-$kernel' M=/module modules"
chroot "$toolchain" strip --strip-debug /module/tsm_test.ko
mkdir -p build/guest
cp "$toolchain/module/tsm_test.ko" build/guest/tsm_test.ko
gcc -Wall -Wextra -Werror -Os -static -s -o build/guest/start test/guest/module/start.c
