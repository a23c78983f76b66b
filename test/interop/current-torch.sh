#!/usr/bin/env bash
# Puts the PyTorch of Debian's unstable suite, with PyPI's onnxscript for its exporter, into a folder: the
# wheels of PyPI need several GB of CUDA libraries at import, and a stable Debian's is years old. Nothing
# is installed; the folder's `python` runs from where it lies. Fails where a mirror has not got it.
# usage: current-torch.sh FOLDER
set -euo pipefail
folder=$(realpath -m "$1")
find_mirror() {
  apt-get indextargets --format '$(REPO_URI) $(ORIGIN) $(LABEL)' | awk '$2 == "Debian" && $3 == "Debian" { print $1; exit }'
}
mirror=$(find_mirror)
if [ -z "$mirror" ]; then
  apt-get -qq update
  mirror=$(find_mirror)
fi
rm -rf "$folder" "$folder.new"
mkdir -p "$folder.new"
# A mirror that is not kept up has an expired Release file; its signature is checked all the same.
mmdebstrap --quiet --variant=extract --aptopt='APT::Install-Recommends "false"' \
  --aptopt='Acquire::Retries "5"' --aptopt='Acquire::Check-Valid-Until "false"' \
  --include=python3-torch,python3-pip sid "$folder.new/root" "$mirror"
cat >"$folder.new/python" <<'PYTHON'
#!/bin/sh
here=$(dirname "$(realpath "$0")")
root=$here/root
libraries=$root/usr/lib/x86_64-linux-gnu
PYTHONPATH=$here/packages PYTHONHOME=$root/usr exec "$root/usr/lib64/ld-linux-x86-64.so.2" \
  --library-path "$libraries:$libraries/blas:$libraries/lapack:$root/usr/lib" "$root/usr/bin/python3" "$@"
PYTHON
chmod +x "$folder.new/python"
"$folder.new/python" -m pip install --quiet --root-user-action=ignore --break-system-packages \
  --target "$folder.new/packages" onnxscript==0.7.2 onnx==1.23.2
"$folder.new/python" -c 'import torch, onnxscript'
mv "$folder.new" "$folder"
