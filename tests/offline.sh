#!/usr/bin/env bash
# A plugin's author who has the program `fts` and Rust, and nothing else: no repository, no network, an empty environment.
#
# In order: the binary alone is copied to a temp directory outside the repository; there it writes a plugin, which is
# tested, built, checked and tried with that binary. Prints the seconds of each step; the first failure ends it with 1.
# What must not happen: anything of the repository is read (shown by what the compiler says it has read).
# Crates come from the machine's Cargo cache, which a build of the repository has filled. FTS_BIN names another binary.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd -P)
bin=${FTS_BIN:-$root/target/release/fts}
[ -x "$bin" ] || { echo "offline.sh: there is no $bin: cargo build --release" >&2; exit 1; }
bin=$(realpath "$bin")

away=$(mktemp -d)
trap 'rm -rf "$away"' EXIT
case $(cd "$away" && pwd -P)/ in
  "$root"/*) echo "offline.sh: $away is in the repository: set TMPDIR to a place outside" >&2; exit 1 ;;
esac
mkdir "$away/bin"
cp "$bin" "$away/bin/fts"
cd "$away"

own=(PATH="$away/bin:$PATH" HOME="$HOME" CARGO_HOME="${CARGO_HOME:-$HOME/.cargo}" CARGO_NET_OFFLINE=true)
[ -z "${RUSTUP_HOME:-}" ] || own+=(RUSTUP_HOME="$RUSTUP_HOME")
[ -z "${RUSTUP_TOOLCHAIN:-}" ] || own+=(RUSTUP_TOOLCHAIN="$RUSTUP_TOOLCHAIN")

step() { # DIRECTORY COMMAND...
  local dir=$1 from=$EPOCHREALTIME code=0
  shift
  (cd "$dir" && env -i "${own[@]}" "$@") >"$away/said" 2>&1 </dev/null || code=$?
  # Without the dot these are microseconds (a locale may write a comma).
  local ms=$(((${EPOCHREALTIME//[!0-9]/} - ${from//[!0-9]/}) / 1000))
  printf '%4d.%d s  %s\n' $((ms / 1000)) $((ms % 1000 / 100)) "$*"
  if [ "$code" != 0 ]; then
    cat "$away/said" >&2
    echo "offline.sh: $* failed with $code" >&2
    exit 1
  fi
}
expect() { # TEXT: in what the last step said
  grep -qF -- "$1" "$away/said" && return
  cat "$away/said" >&2
  echo "offline.sh: it should have said: $1" >&2
  exit 1
}

step . fts plugin new demo
step demo cargo test --offline
expect "test result: ok. 2 passed"
step demo cargo build --release --offline
so=target/release/libfts_plugin_demo.so
step demo fts plugin check $so
expect "demo 0.1.0 can be loaded"
step demo fts plugin test $so
expect "demo 0.1.0: no faults"

# The compiler's own lists of what it has read.
lists=$(find demo/target -name '*.d')
[ -n "$lists" ] || { echo "offline.sh: the build left no .d files to look into" >&2; exit 1; }
if read=$(xargs grep -lF -- "$root/" <<<"$lists"); then
  printf 'offline.sh: built from files of the repository:\n%s\n' "$read" >&2
  exit 1
fi
