#!/usr/bin/env bash
# buf, from npm's package of this machine's architecture.
set -euo pipefail
cd "$(dirname "$0")/.."
case $(uname -m) in
  x86_64) arch=x64 ;;
  *) arch=$(uname -m) ;;
esac
exec "proto/node_modules/@bufbuild/buf-linux-$arch/bin/buf" "$@"
