#!/usr/bin/env bash
# Makes .cache/perf-analyzer/perf_analyzer: Triton's load generator, from PyPI. Its wheel wants glibc
# 2.38 and the libstdc++ of GCC 13; where the system's are older, those of Debian trixie are unpacked
# beside it and used for it alone. Idempotent; fails, with a sentence, where that cannot be done.
set -euo pipefail
cd "$(dirname "$0")/../.."
version=2.60.0
home=$PWD/.cache/perf-analyzer
[ -x "$home/perf_analyzer" ] && "$home/perf_analyzer" --version >/dev/null 2>&1 && exit 0
[ "$(uname -sm)" = 'Linux x86_64' ] || { echo 'perf_analyzer: its wheel is for Linux on x86-64'; exit 1; }

rm -rf "$home"
mkdir -p "$home"
python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
  --platform manylinux_2_38_x86_64 --dest "$home" "perf-analyzer==$version"
python3 -m zipfile -e "$home"/*.whl "$home/wheel"
binary=$home/wheel/perf_analyzer/bin/perf_analyzer
chmod +x "$binary"
if "$binary" --version >/dev/null 2>&1; then
  ln -s wheel/perf_analyzer/bin/perf_analyzer "$home/perf_analyzer"
  exit 0
fi

mirror=$(apt-get indextargets --format '$(REPO_URI) $(ORIGIN) $(LABEL)' 2>/dev/null |
  awk '$2 == "Debian" && $3 == "Debian" { print $1; exit }')
[ -n "$mirror" ] || { echo 'perf_analyzer: this system has neither glibc 2.38 nor Debian packages'; exit 1; }
mkdir -p "$home/apt/lists/partial" "$home/debs"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main" >"$home/apt/sources.list"
options=(-o "Dir::Etc::sourcelist=$home/apt/sources.list" -o Dir::Etc::sourceparts=/dev/null
  -o "Dir::State::lists=$home/apt/lists" -o APT::Sandbox::User=root -qq)
apt-get "${options[@]}" update
for package in libc6 libgcc-s1 libstdc++6 libssl3t64 libzstd1 zlib1g; do
  (cd "$home/debs" && apt-get "${options[@]}" download "$package/trixie")
done
for package in "$home"/debs/*.deb; do dpkg-deb -x "$package" "$home/trixie"; done
cat >"$home/perf_analyzer" <<'END'
#!/bin/sh
here=$(dirname "$(readlink -f "$0")")
libraries=$here/trixie/usr/lib/x86_64-linux-gnu
exec "$libraries/ld-linux-x86-64.so.2" --library-path "$libraries" "$here/wheel/perf_analyzer/bin/perf_analyzer" "$@"
END
chmod +x "$home/perf_analyzer"
rm -rf "$home"/*.whl "$home/debs" "$home/apt"
"$home/perf_analyzer" --version
