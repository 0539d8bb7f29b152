#!/bin/sh
# Cuts the kept copy of the interface crate: tests/abi/api-1.0 from plugin-api as it was when the mission plugin was complete
# (decision 109). With that 1.0 is declared, and the copy is not cut again: a released minor stays as it is. The next minor
# gets a copy of its own (`to=api-1.1`), once, when it is released.
# Left out: tests, benches, guide and testkit, which are no part of the binary interface.
set -eu
cd "$(dirname "$0")"
from=../../plugin-api to=api-1.0 root=../../Cargo.toml
rm -rf "$to" && mkdir "$to"
cp -r "$from/src" "$from/build.rs" "$to/"
rm -rf "$to/src/testkit" "$to/src/guide"
find "$to" -name '*_tests.rs' -delete
# The manifest without inheritance: each `name.workspace = true` becomes the line of [workspace.dependencies].
awk '
    FNR == NR { if ($0 ~ /^\[/) table = $0; else if (table == "[workspace.dependencies]" && NF) dep[$1] = $0
                else if (table == "[workspace.package]" && NF) pack[$1] = $0; next }
    /^\[/ { table = $0; skip = (table ~ /lints|dev-dependencies|bench/) }
    skip || table == "[[bench]]" || /optional = true/ || /^# MockHost/ { next }
    /^testkit = / { print "testkit = []"; next }
    /\.workspace = true/ { name = $1; sub(/\.workspace.*/, "", name); print table == "[package]" ? pack[name] : dep[name]; next }
    { print }
' "$root" "$from/Cargo.toml" | cat -s > "$to/Cargo.toml"
printf '[workspace]\n' >> "$to/Cargo.toml"
echo "kept: $(grep -m1 ^version "$to/Cargo.toml")"
