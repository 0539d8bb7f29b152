#!/usr/bin/env bash
# Runs each fuzz target for N seconds: bash tests/fuzz/smoke.sh [N=20] [TARGET...]
#
# Order: cargo-fuzz if it is missing, one build for all targets, then each target on its corpus (kept between runs, not
# committed) and its committed seeds. The same seed each time, so that a red CI can be repeated and a change is judged by
# itself; look for new faults with FUZZ_SEED=0 (random) and more seconds. A crash ends the run with exit code 1 and the artifact's path. Works on stable
# Rust: RUSTC_BOOTSTRAP lets it take the coverage flags, and nothing here needs the address sanitizer (no unsafe).
set -euo pipefail
cd "$(dirname "$0")"
seconds=${1:-20}
targets=("${@:2}")
test ${#targets[@]} -gt 0 || targets=(splitter spans proto negotiate)

if ! command -v c++ >/dev/null; then
  apt-get update -qq && apt-get install -y -qq g++ >/dev/null
fi
if ! cargo fuzz --version >/dev/null 2>&1; then
  cargo install cargo-fuzz --locked --version 0.13.2
fi
export RUSTC_BOOTSTRAP=1
cargo fuzz build --fuzz-dir . --sanitizer none

for target in "${targets[@]}"; do
  mkdir -p "corpus/$target" "artifacts/$target"
  echo "== $target, $seconds s"
  if ! cargo fuzz run --fuzz-dir . --sanitizer none "$target" "corpus/$target" "seeds/$target" -- \
    -seed="${FUZZ_SEED:-1}" -max_total_time="$seconds" -max_len=4096 -timeout=10 -rss_limit_mb=1024 -dict=tokens.dict -print_final_stats=1 \
    >"artifacts/$target.log" 2>&1; then
    tail -n 40 "artifacts/$target.log"
    echo "FAIL $target: $(grep -o 'artifacts/[^ ]*' "artifacts/$target.log" | grep -v '\.log$' | tail -1)"
    exit 1
  fi
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "artifacts/$target.log")
  echo "ok   $target: $runs runs, corpus of $(ls "corpus/$target" | wc -l)"
done
