#!/usr/bin/env bash
# Runs each fuzz target for N seconds: bash tests/fuzz/smoke.sh [N=20] [TARGET...]; N = build only builds them.
#
# Order: one build for all targets, then each target on its corpus (kept between runs, not committed) and its committed
# seeds. The same seed each time, so that a red CI can be repeated and a change is judged by itself; look for new faults
# with FUZZ_SEED=0 (random) and more seconds. A crash ends the run with exit code 1 and the artifact's path.
# `cargo fuzz` works here as everywhere (`cargo fuzz run --fuzz-dir tests/fuzz TARGET`); this script gives the compiler
# the same coverage flags itself, because installing cargo-fuzz takes longer than all it does here. No address sanitizer,
# hence stable Rust: there is no unsafe code in what is fuzzed.
set -euo pipefail
cd "$(dirname "$0")"
seconds=${1:-20}
targets=("${@:2}")
test ${#targets[@]} -gt 0 || targets=(splitter spans proto negotiate)

if ! command -v c++ >/dev/null; then
  apt-get update -qq && apt-get install -y -qq g++ >/dev/null
fi
host=$(rustc -vV | sed -n 's/^host: //p')
RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cdebug-assertions -Ccodegen-units=1"
for flag in level=4 inline-8bit-counters pc-table trace-compares; do
  RUSTFLAGS+=" -Cllvm-args=-sanitizer-coverage-$flag"
done
# With --target the flags are not given to build scripts and macros, which cannot be linked with them.
RUSTFLAGS=$RUSTFLAGS cargo build --quiet --release --bins --target "$host"
test "$seconds" != build || exit 0

for target in "${targets[@]}"; do
  mkdir -p "corpus/$target" "artifacts/$target"
  echo "== $target, $seconds s"
  if ! "target/$host/release/$target" "corpus/$target" "seeds/$target" \
    -artifact_prefix="artifacts/$target/" -seed="${FUZZ_SEED:-1}" -max_total_time="$seconds" -max_len=4096 -timeout=10 \
    -rss_limit_mb=1024 -dict=tokens.dict -print_final_stats=1 >"artifacts/$target.log" 2>&1; then
    tail -n 40 "artifacts/$target.log"
    echo "FAIL $target: $(grep -o 'artifacts/[^ ]*' "artifacts/$target.log" | grep -v '\.log$' | tail -1)"
    exit 1
  fi
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "artifacts/$target.log")
  echo "ok   $target: $runs runs, corpus of $(ls "corpus/$target" | wc -l)"
done
