#!/usr/bin/env bash
# Starts boothd on ./data and opens the console. Without a terminal it prints how to join and where to pull, and follows
# `booth watch`. Leaving it stops everything.
set -euo pipefail
cd "$(dirname "$0")/.."

bin=target/release
data=${BOOTH_DATA_DIR:-data}
mkdir -p "$data"
ready=$(mktemp)
# Keys of the terminal are the console's: boothd gets its signals from here alone.
setsid "$bin/boothd" --data "$data" "$@" >"$ready" 2>"$data/boothd.log" &
server=$!
stop() {
  trap - EXIT INT TERM HUP
  kill -TERM "$server" 2>/dev/null || true
  wait "$server" 2>/dev/null || true
  rm -f "$ready"
}
trap stop EXIT
trap 'exit 130' INT TERM HUP

for _ in $(seq 150); do
  grep -q '^ready' "$ready" && break
  kill -0 "$server" 2>/dev/null || { cat "$data/boothd.log" >&2; exit 1; }
  sleep 0.1
done
grep -q '^ready' "$ready" || { echo "boothd is not ready after 15 s; see $data/boothd.log" >&2; exit 1; }

scheme=http
grep -q '^ready.* grpc_tls=on' "$ready" && scheme=https
BOOTH_SERVER=$scheme://$(sed -n 's/^ready grpc=\([^ ]*\).*/\1/p' "$ready" | head -n 1 | sed 's/^0\.0\.0\.0:/127.0.0.1:/; s/^\[::\]:/[::1]:/')
export BOOTH_SERVER BOOTH_DATA=$data
booth=$bin/booth

BOOTH_JOIN_URL=$("$booth" invite create --uses 10 -o json | sed -n 's/.*"url": *"\([^"]*\)".*/\1/p')
echo
if [[ $BOOTH_JOIN_URL =~ ^http://(\[[^]]*\]|[^/:[]+)(.*)$ && ${BASH_REMATCH[1]} != localhost ]]; then
  # Elsewhere that page would have neither camera nor microphone.
  BOOTH_JOIN_URL=http://localhost${BASH_REMATCH[2]}
  echo "Open this link on this machine (callers elsewhere need HTTPS: http.self_signed=true, or see README):"
else
  echo "Send this link to a caller (or open it yourself):"
fi
export BOOTH_JOIN_URL
echo "  $BOOTH_JOIN_URL"
echo
echo "Pull these in vMix, OBS or ffmpeg (\`booth slot url 1 --for vmix|obs|ffmpeg|gst\`):"
for slot in $("$booth" slot list -o name); do
  echo "  slot ${slot##*/}: $("$booth" slot url "$slot" --for ffmpeg)"
done
echo
echo "In another terminal: export PATH=\$PWD/$bin:\$PATH, then booth help"
echo
if [ -t 0 ] && [ -t 1 ]; then
  "$booth" console
  echo "The console is closed: the server and its outputs are stopped."
else
  echo "Following \`booth watch\`; Ctrl-C stops the server and its outputs."
  "$booth" watch
fi
