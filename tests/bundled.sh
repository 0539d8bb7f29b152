#!/bin/sh
# Builds fts with the shipped plugins linked in (target/bundled/fts) and runs the black-box tests on that binary.
#
# usage: tests/bundled.sh [TEST ...]     names of files in tests/tests without .rs; none = all of them
#
# In the common target directory: cargo keeps what it made with and without the features beside each other, so a switch
# costs what has changed since, and then a hard link. The binary is copied away at once and target/release/fts is the
# plain one again before a test runs. The whole workspace is built each time: with fewer packages cargo would choose
# other features for the dependencies and compile all of them again.
set -eu
cd "$(dirname "$0")/.."
# FTS_BUNDLED_LAST=1 (CI, at its end) leaves the bundled program in target/release: one long build less.
plain() { test -n "${FTS_BUNDLED_LAST:-}" || cargo build --release --workspace; }
trap plain EXIT
cargo build --release --workspace --features fts/bundle
mkdir -p target/bundled
cp target/release/fts target/bundled/fts.new
mv target/bundled/fts.new target/bundled/fts
plain
trap - EXIT

if [ $# -eq 0 ]; then
    for file in tests/tests/*.rs; do set -- "$@" "$(basename "$file" .rs)"; done
fi
for name in "$@"; do shift; set -- "$@" --test "$name"; done
FTS_BUNDLED=1 FTS_BIN="$PWD/target/bundled/fts" exec cargo test --workspace --no-fail-fast "$@"
