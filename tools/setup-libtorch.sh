#!/usr/bin/env bash
# Puts libtorch 2.11.0 (CPU) into a cache outside the checkout and links .libtorch to it.
# Three PyPI wheels hold all that is needed (design: 460 MB instead of 4 GB); each is checked by its
# SHA-256. Does nothing when LIBTORCH is set, or when the cache is already filled.
set -euo pipefail
cd "$(dirname "$0")/.."
version=2.11.0
if [ -n "${LIBTORCH:-}" ] && [ "$(readlink -f "$LIBTORCH")" != "$(readlink -f .libtorch 2>/dev/null || true)" ]; then
  [ -e "$LIBTORCH/lib/libtorch_cpu.so" ] || { echo "LIBTORCH=$LIBTORCH holds no lib/libtorch_cpu.so: unset it to let this script fetch libtorch $version" >&2; exit 2; }
  found=$(cat "$LIBTORCH/build-version" 2>/dev/null || echo unknown)
  case "$found" in "$version"*|unknown) ;; *) echo "LIBTORCH=$LIBTORCH is version $found, expected $version: unset it, or point it at $version" >&2; exit 2;; esac
  echo "libtorch: using LIBTORCH=$LIBTORCH" >&2
  exit 0
fi
cache="${SYNTRACE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/syntrace}"
root="$cache/libtorch-$version-cpu"
if [ ! -e "$root/complete" ]; then
  command -v python3 >/dev/null || { echo "python3 with pip is needed to fetch libtorch $version (or set LIBTORCH)" >&2; exit 2; }
  mkdir -p "$cache"
  work=$(mktemp -d "$cache/fetch.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  echo "libtorch: fetching $version into $root (once, about 550 MB)" >&2
  python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
    --platform manylinux_2_28_x86_64 --platform manylinux_2_25_x86_64 --platform manylinux2014_x86_64 --python-version 3.11 --implementation cp --abi cp311 --abi none \
    -d "$work" torch==$version nvidia-cuda-runtime==13.0.96 nvidia-cuda-cupti==13.0.85
  (cd "$work" && sha256sum --quiet -c) <<'SUMS'
7aa2f9bbc6d4595ba72138026b2074be1233186150e9292865e04b7a63b8c67a  torch-2.11.0-cp311-cp311-manylinux_2_28_x86_64.whl
7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548  nvidia_cuda_runtime-13.0.96-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl
4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8  nvidia_cuda_cupti-13.0.85-py3-none-manylinux_2_25_x86_64.whl
SUMS
  python3 - "$work" <<'PY'
import os, sys, zipfile
work = sys.argv[1]
out = os.path.join(work, "libtorch")
libs = {"torch/lib/libtorch_cpu.so", "torch/lib/libc10.so", "torch/lib/libgomp.so.1",
        "nvidia/cu13/lib/libcudart.so.13", "nvidia/cu13/lib/libcupti.so.13"}
for name in os.listdir(work):
    if not name.endswith(".whl"):
        continue
    with zipfile.ZipFile(os.path.join(work, name)) as wheel:
        for entry in wheel.namelist():
            if entry in libs:
                target = os.path.join(out, "lib", os.path.basename(entry))
            elif entry.startswith("torch/include/") and not entry.endswith("/"):
                target = os.path.join(out, entry[len("torch/"):])
            else:
                continue
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with wheel.open(entry) as source, open(target, "wb") as sink:
                while chunk := source.read(1 << 20):
                    sink.write(chunk)
with open(os.path.join(out, "lib", "libtorch.so"), "w") as script:
    script.write("INPUT(-ltorch_cpu)\n")
with open(os.path.join(out, "build-version"), "w") as version:
    version.write("2.11.0\n")
open(os.path.join(out, "complete"), "w").close()
PY
  rm -rf "$root.old" && { [ ! -e "$root" ] || mv "$root" "$root.old"; }
  mv "$work/libtorch" "$root" 2>/dev/null || [ -e "$root/complete" ]
  rm -rf "$root.old"
fi
ln -sfn "$root" .libtorch
echo "libtorch: $version at $root" >&2
