#!/bin/sh
# Builds what tests/tests/plugin_*.rs need of this folder, into target/abi; at once when nothing has changed since. The
# tests call it themselves. Works without a network: every crate here takes the versions of the main Cargo.lock.
#
# Out: target/abi/debug/{libfts_plugin_*.so,abi-host}; target/abi/other/debug/libfts_plugin_old.so by another rustc, if
# rustup has one (its version is in target/abi/other/rustc).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
main=$(cd "$here/../.." && pwd)
out=$main/target/abi gen=$main/target/abi/gen
mkdir -p "$out"
# Tests run in several processes.
exec 9> "$out/lock"
flock 9

rustc=$(rustc -V)
stamp=$out/stamp
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$rustc" ] && [ -z "$(find "$here" "$main/Cargo.lock" -newer "$stamp" -type f ! -name Cargo.lock -print -quit)" ]; then
    exit 0
fi

# Copies the kept interface and edits it; an edit that no longer finds its place ends the script.
copy() { rm -rf "$gen/$1" && mkdir -p "$gen" && cp -r "$here/api-1.0" "$gen/$1" && at=$gen/$1/src; }
after() { # FILE LINE-PATTERN TEXT
    grep -qF -- "$2" "$1" || { echo "build.sh: $1 has no line $2" >&2; exit 1; }
    awk -v pattern="$2" -v text="$3" '{ print } !done && index($0, pattern) { print text; done = 1 }' "$1" > "$1.new" && mv "$1.new" "$1"
}
swap() { # FILE FROM TO
    grep -qF -- "$2" "$1" || { echo "build.sh: $1 has no $2" >&2; exit 1; }
    awk -v from="$2" -v to="$3" '{ at = index($0, from); if (at) $0 = substr($0, 1, at - 1) to substr($0, at + length(from)); print }' "$1" > "$1.new" && mv "$1.new" "$1"
}

# 1.1: a defaulted method at the end of three objects, an optional field of the host's module, a field of a message.
copy api-1.1
swap "$gen/api-1.1/Cargo.toml" 'version = "1.0.0"' 'version = "1.1.0"'
swap "$at/abi/info.rs" 'API_MINOR: u16 = 0' 'API_MINOR: u16 = 1'
swap "$at/abi/mod.rs" '#![allow(clippy::all)]' '#![allow(clippy::all, unused_braces)]'
after "$at/abi/host.rs" 'fn caller(&self, what' '    fn extra(&self) -> u32 { 7 }'
after "$at/abi/host.rs" 'pub connect: extern' '    #[sabi(missing_field(option))] pub about: extern "C" fn() -> u32,'
echo 'pub static ABOUT: std::sync::OnceLock<Option<u32>> = std::sync::OnceLock::new();' >> "$at/abi/host.rs"
swap "$at/abi/mod.rs" 'host::{Host,' 'host::{ABOUT, Host,'
after "$at/abi/handler.rs" 'fn call(&self, args' '    fn kinds(&self) -> u32 { 11 }'
after "$at/abi/event.rs" 'fn describe(&self)' '    fn extra(&self) -> u64 { 13 }'
after "$at/message/life.rs" 'pub dynamic: bool,' '    #[serde(default)] pub since: u64,'
echo 'impl Host { pub fn extra(&self) -> u32 { self.raw().extra() } pub fn since(&self) -> u64 { self.hello().since } }' >> "$at/sdk/host.rs"
echo 'impl Source<'"'_"'> { pub fn extra(&self) -> u64 { self.raw.extra() } }' >> "$at/sdk/source.rs"
after "$at/sdk/source.rs" 'trait From {' '    fn extra(&self) -> u64;'
after "$at/sdk/source.rs" 'impl From for SourceRef' '    fn extra(&self) -> u64 { SourceRef::extra(self) }'
echo 'impl Cx<'"'_"'> { pub fn source_extra(&self) -> u64 { self.source.extra() } }' >> "$at/sdk/verdict.rs"
after "$at/shim/handlers.rs" 'abi::Caller for CallFn' '    fn kinds(&self) -> u32 { 12 }'
after "$at/shim/start.rs" 'module.connect()(token)' '    let _ = abi::ABOUT.set(module.about().map(|f| f()));'

# 1.0 by name and number, and yet another layout: what is frozen for the major has changed.
copy api-module
swap "$at/abi/plugin.rs" 'token: u64' 'token: u32'
swap "$at/abi/module.rs" '&'"'"'static LibHeader, u64' '&'"'"'static LibHeader, u32'
swap "$at/sdk/plugin.rs" 'token: u64' 'token: u32'
swap "$at/shim/start.rs" 'start<P: Plugin>(header: &'"'"'static LibHeader, token: u64' 'start<P: Plugin>(header: &'"'"'static LibHeader, token: u32'
swap "$at/shim/start.rs" 'module.connect()(token)' 'module.connect()(token.into())'
copy api-failure
after "$at/abi/plugin.rs" 'pub place: RString' '    pub more: u32,'
sed -i 's/Failure { code/Failure { more: 0, code/' "$at/shim/start.rs" "$at/shim/mod.rs" "$at/sdk/error.rs"
sed -i 's/place: String| Failure {$/&\n        more: 0,/' "$at/sdk/config.rs"

export CARGO_PROFILE_DEV_DEBUG=0 CARGO_INCREMENTAL=0 CARGO_NET_OFFLINE=true
crate() { # CRATE TARGET-DIR [FLAGS]
    cd "$here/$1"
    # The main lock holds every version this needs; cargo drops what is too much.
    [ Cargo.lock -nt "$main/Cargo.lock" ] || cp "$main/Cargo.lock" Cargo.lock
    to=$2
    shift 2
    $cargo rustc --quiet --target-dir "$to" "$@"
}
cargo=cargo
for name in old new needy host tampered-module tampered-failure; do
    crate $name "$out"
done
crate aborts "$out" -- -C panic=abort

# The first toolchain that is another rustc; none is no error, the test says that it left something out.
rm -f "$out/other/rustc"
for chain in $(rustup toolchain list 2> /dev/null | cut -d' ' -f1); do
    version=$(rustup run "$chain" rustc -V) || continue
    [ "$version" != "$rustc" ] || continue
    cargo="rustup run $chain cargo"
    mkdir -p "$out/other"
    crate old "$out/other"
    echo "$version" > "$out/other/rustc"
    break
done
echo "$rustc" > "$stamp"
