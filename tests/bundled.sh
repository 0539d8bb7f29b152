#!/bin/sh
# Builds fts with the shipped plugins linked in (target/bundled/fts) and runs the black-box tests on that binary.
#
# usage: tests/bundled.sh [--release] [FILE ...]     names of files in tests/tests without .rs; none = all of them
#
# A debug build unless asked for a release: what is tested is that plugins do the same in either form, and that takes half
# the time. In the common target directory: cargo keeps what it made with and without the features beside each other, so a
# switch costs what has changed since. The binary is copied away at once, and the plain one is back before a test runs.
# The whole workspace with its tests is resolved each time: with fewer packages cargo would choose other features for the
# dependencies and compile all of them again.
set -eu
cd "$(dirname "$0")/.."
built=debug
if [ "${1:-}" = --release ]; then built=release; shift; fi
build() {
    if [ $built = release ]; then cargo build --release --workspace "$@"
    else cargo test --workspace --test linked --no-run "$@"; fi
}
# Nothing but the black-box tests looks for the plain program, and those for the release.
plain() { test $built = debug || build; }
trap plain EXIT
build --features fts/bundle
mkdir -p target/bundled
cp target/$built/fts target/bundled/fts.new
mv target/bundled/fts.new target/bundled/fts
plain
trap - EXIT

for name in "$@"; do shift; set -- "$@" "$name::"; done
FTS_BUNDLED=1 FTS_BIN="$PWD/target/bundled/fts" exec cargo test --workspace --no-fail-fast --test all -- "$@"
