#!/usr/bin/env bash
# The OpenAPI documents of every listener against a running server, with schemathesis (pinned, in a venv of its own).
#
# `run.sh [EXAMPLES]`: random inputs for each operation besides the systematic ones (20). Exit code 1 when an answer is
# a 5xx or one the document does not name, or when an operation was not called; then the server's directory is kept and
# named. Needs Rust only if target/release/fts is missing; else Python 3.11.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
cd "$here"

# Made anew when the pinned versions change.
if ! cmp -s requirements.txt .venv/installed.txt; then
  rm -rf .venv
  if ! python3 -m venv .venv; then
    apt-get update -qq && apt-get install -y -qq python3-venv >/dev/null
    python3 -m venv .venv
  fi
  .venv/bin/pip install --quiet --disable-pip-version-check --requirement requirements.txt
  cp requirements.txt .venv/installed.txt
fi
test -x "$root/target/release/fts" || (cd "$root" && cargo build --release -p fts)

work=$(mktemp -d "${TMPDIR:-/tmp}/fts-openapi.XXXXXX")
ended() {
  code=$?
  kill ${checks:-} 2>/dev/null || true
  if test -f "$work/fts.pid"; then kill -KILL "$(cat "$work/fts.pid")" 2>/dev/null || true; fi
  if test $code -eq 0; then rm -rf "$work"; else
    tail -n 20 "$work/fts.log" 2>/dev/null || true
    echo "logs: $work"
  fi
  exit $code
}
trap ended EXIT
trap 'exit 130' INT TERM

export PYTHONDONTWRITEBYTECODE=1
# In the background, so that a signal reaches the trap at once.
.venv/bin/python check.py "$root/target/release/fts" "$work" "${1:-20}" &
checks=$!
wait $checks
