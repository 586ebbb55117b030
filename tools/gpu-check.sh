#!/usr/bin/env bash
# Shows that a device does what the CPU does, and how fast: tools/gpu-check.sh FOLDER [DEVICE]
#
# FOLDER holds the built programs `syntrace-torch`, `tests` (the test binary), `train` (the bench) and, if it
# is there, `syntrace`, each as it is or packed by xz (`NAME.xz`). DEVICE is `cuda` by default; `cpu` rehearses. libtorch
# 2.11.0 comes from $LIBTORCH, else from the `torch` of python3. Takes about five minutes on a GPU; what each
# part wrote stays in $OUT, else in a temporary folder. Exit code 0 when every part went well.
set -uo pipefail
programs=${1:?usage: tools/gpu-check.sh FOLDER [DEVICE]}
device=${2:-cuda}
out=${OUT:-$(mktemp -d)}
mkdir -p "$out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# -- programs and libtorch
for name in syntrace syntrace-torch tests train; do
  if [ -e "$programs/$name.xz" ]; then
    python3 -c 'import lzma, shutil, sys; shutil.copyfileobj(lzma.open(sys.argv[1]), open(sys.argv[2], "wb"), 1 << 20)' \
      "$programs/$name.xz" "$work/$name" || exit 2
  elif [ -e "$programs/$name" ]; then
    cp "$programs/$name" "$work/$name"
  elif [ "$name" = syntrace ]; then
    continue
  else
    echo "$programs holds no $name" >&2
    exit 2
  fi
  chmod +x "$work/$name"
done
find_torch="from importlib.util import find_spec as f; s = f('torch'); print(s.submodule_search_locations[0] if s else '')"
root=${LIBTORCH:-$(python3 -I -c "$find_torch" 2>/dev/null)}
lib=$(readlink -f "$root/lib")
[ -e "$lib/libtorch_cpu.so" ] || { echo "no libtorch found: set LIBTORCH, or let python3 have torch" >&2; exit 2; }
preload=""
[ -e "$lib/libtorch_cuda.so" ] && [ "$device" != cpu ] && preload="$lib/libc10.so:$lib/libtorch_cpu.so:$lib/libtorch_cuda.so"
export OMP_NUM_THREADS=1 LIBTORCH="$root"

# `with_torch SECONDS COMMAND...`: what `syntrace` does for itself, for the two programs that are linked to libtorch.
with_torch() {
  local seconds=$1
  shift
  timeout "$seconds" env LD_LIBRARY_PATH="$lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" ${preload:+LD_PRELOAD="$preload"} "$@"
}

# `part NAME COMMAND...`: runs it, keeps what it writes, notes how it went and how long it took.
summary=()
failed=0
part() {
  local name=$1 started=$SECONDS code=0
  shift
  echo "== $name"
  "$@" >"$out/$name.txt" 2>&1 || code=$?
  tail -n 40 "$out/$name.txt"
  summary+=("$(printf '%-12s %-9s %4d s' "$name" "$([ $code = 0 ] && echo well || echo "code $code")" $((SECONDS - started)))")
  [ $code = 0 ] || failed=1
}

# -- what is here
machine() {
  nproc
  command -v nvidia-smi >/dev/null && nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader
  cat "$root/build-version" 2>/dev/null || grep __version__ "$root/version.py"
}

# -- the tests that compare a device with the CPU, in f32
compare() {
  with_torch 200 env SYNTRACE_TEST_DEVICE="$device" NVIDIA_TF32_OVERRIDE=0 \
    "$work/tests" on_a_device --nocapture --test-threads 1
}

# -- a small study with all networks, with and without DP, and all jobs that run them
spec() {
  cat <<SPEC
name = "device"
seed = 11
[[dataset]]
name = "os"
classes = ["windows"]
simulate = { flows = 160 }
[traces]
packets = 4
[split]
members = 24
shadows = 2
[regimes]
none = true
epsilon = [4.0]
[generator.netssm]
preset = "small"
epochs = 6
microbatch = 64
[generator.netshare]
preset = "small"
epochs = 20
[generator.netdiffusion]
preset = "small"
epochs = 4
microbatch = 32
base = { steps = 150, batch = 8, rate = 4e-3 }
[attack.threshold]
[attack.mlp-tuned]
[synthesis]
traces = 20
[audit]
one_run = true
SPEC
}
study() (
  local syntrace="$work/syntrace" file="$work/device.redb" named
  if [ ! -e "$syntrace" ] || [ "$device" = cpu ]; then
    # What was built elsewhere looks for libtorch where it was built. `syntrace` needs no help with CUDA.
    [ -e "$syntrace" ] || syntrace="$work/syntrace-torch"
    export LD_LIBRARY_PATH="$lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
  fi
  spec >"$work/device.toml"
  timeout 200 "$syntrace" run "$file" "$work/device.toml" --device "$device" --threads 4 --quiet || exit
  timeout 60 "$syntrace" verify "$file" || exit
  timeout 60 "$syntrace" query "$file" headline || exit
  timeout 60 "$syntrace" sql "$file" -c "SELECT kind, program, count(*) AS jobs, round(sum(seconds), 1) AS seconds
    FROM jobs GROUP BY kind, program ORDER BY kind, program" || exit
  timeout 60 "$syntrace" sql "$file" -c "SELECT generator, epsilon, status, count(*) AS models FROM models
    GROUP BY generator, epsilon, status ORDER BY generator, epsilon" || exit
  # Who ran the networks is on record, and the CPU has nothing left to do.
  named=$(timeout 60 "$syntrace" sql "$file" --format csv -c "SELECT DISTINCT program FROM jobs WHERE kind = 'train'" | tail -n 1)
  echo "trained by: $named"
  case "$device:$named" in cpu:*cuda*) exit 1 ;; cpu:*) ;; *:*cuda*) ;; *) exit 1 ;; esac
  timeout 60 "$syntrace" plan "$file" "$work/device.toml" --device "$device" --jobs
)

# -- how fast
bench() {
  with_torch "$1" env SYNTRACE_BENCH_DEVICE="$device" SYNTRACE_BENCH_PRESET="$2" "$work/train" "${@:3}"
}

part machine machine
part tests compare
part study study
part small bench 100 small step cohort families
if [ "$device" = cpu ]; then
  echo "== paper: left out on the CPU"
else
  part paper bench 100 paper step
fi

echo "== summary ($device)"
printf '%s\n' "${summary[@]}"
grep -hE "differ by|% of sampled|test result" "$out/tests.txt" | sort | uniq
grep -hE "trained by|all is well" "$out/study.txt"
cat "$out/small.txt" "$out/paper.txt" 2>/dev/null | grep -E "tokens/s|traces/s|netssm"
exit $failed
