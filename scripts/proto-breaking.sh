#!/usr/bin/env bash
# The API may grow but not break: compares the protos with those of the base (BOOTH_PROTO_BASE, else the commit before).
set -euo pipefail
cd "$(dirname "$0")/.."
base=${BOOTH_PROTO_BASE:-HEAD~1}
if ! git rev-parse -q --verify "$base^{commit}" >/dev/null || ! git cat-file -e "$base:proto/booth/v1" 2>/dev/null; then
  echo "buf breaking: $base has no protos to compare with"
  exit 0
fi
old=$(mktemp -d)
trap 'rm -rf "$old"' EXIT
git archive "$base" buf.yaml proto | tar -x -C "$old"
scripts/buf.sh breaking --against "$old"
