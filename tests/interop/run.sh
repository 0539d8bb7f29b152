#!/usr/bin/env bash
# Real clients against the real server: OpenSSL, pytak, takproto and node-tak, all pinned.
#
# Order: tools and libraries (nothing is downloaded twice), the server binary, then checks.py, which starts the server
# on free ports in a directory of its own. Exit code 1 when a check fails; then that directory is kept and named. Needs
# Rust only if the server or its mission plugin is missing in target/release; else Python 3.11 and Node 20.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
cd "$here"

if ! command -v openssl >/dev/null; then
  apt-get update -qq && apt-get install -y -qq openssl >/dev/null
fi
# Newer Debians have the legacy provider, which `openssl pkcs12 -legacy` asks for, in a package of its own.
if ! openssl list -providers -provider legacy >/dev/null 2>&1; then
  apt-get update -qq && apt-get install -y -qq openssl-provider-legacy >/dev/null
fi

# Both are made anew when the pinned versions change.
if ! cmp -s requirements.txt .venv/installed.txt; then
  rm -rf .venv
  if ! python3 -m venv .venv; then
    apt-get update -qq && apt-get install -y -qq python3-venv >/dev/null
    python3 -m venv .venv
  fi
  .venv/bin/pip install --quiet --disable-pip-version-check --requirement requirements.txt
  cp requirements.txt .venv/installed.txt
fi
if ! cmp -s package-lock.json node_modules/installed.json; then
  # node-tak says it wants Node 22; what we use of it runs on 20.
  npm ci --no-audit --no-fund --loglevel=error
  cp package-lock.json node_modules/installed.json
fi
test -e "$root/target/release/libfts_plugin_mission.so" ||
  (cd "$root" && cargo build --release -p fts -p fts-plugin-mission)

work=$(mktemp -d "${TMPDIR:-/tmp}/fts-interop.XXXXXX")
ended() {
  code=$?
  kill ${checks:-} 2>/dev/null || true
  if test -f "$work/fts.pid"; then kill -KILL "$(cat "$work/fts.pid")" 2>/dev/null || true; fi
  if test $code -eq 0; then rm -rf "$work"; else
    tail -n 20 "$work"/*.log 2>/dev/null || true
    echo "logs: $work"
  fi
  exit $code
}
trap ended EXIT
trap 'exit 130' INT TERM

# Versions used.
npm_version="n => n + ' ' + require('./node_modules/@tak-ps/' + n + '/package.json').version"
"$root/target/release/fts" version | head -1
echo "$(openssl version | cut -d' ' -f1-2), $(python3 --version), node $(node --version)"
.venv/bin/pip list --disable-pip-version-check --format freeze | grep -E '^(pytak|takproto|cryptography)=' | paste -sd' '
node -p "['node-tak', 'node-cot'].map($npm_version).join(', ')"

export PYTHONDONTWRITEBYTECODE=1 PYTHONWARNINGS=ignore
# In the background, so that a signal reaches the trap at once.
.venv/bin/python checks.py "$root/target/release/fts" "$work" 2>"$work/pytak.log" &
checks=$!
wait $checks
