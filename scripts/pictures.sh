#!/usr/bin/env bash
# Makes the console's pictures in docs/pictures from the real program: a server, three synthetic callers, a channel, keys on a
# terminal, and screens of what was recorded. Needs tmux, ffmpeg and the built programs (BOOTH_BIN_DIR, or target/release).
# PICTURES_OUT is where they go instead, PICTURES_UDP the first of 110 free UDP ports.
set -euo pipefail
cd "$(dirname "$0")/.."

bin=$(realpath "${BOOTH_BIN_DIR:-target/release}")
out=${PICTURES_OUT:-docs/pictures}
udp=${PICTURES_UDP:-29101}
work=$(mktemp -d)
socket=booth-pictures-$$
mkdir -p "$out"
term() { tmux -L "$socket" -f /dev/null "$@"; }
port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

grpc=$(port)
"$bin/boothd" --data "$work/data" --set "grpc.listen=127.0.0.1:$grpc" --set "http.listen=127.0.0.1:$(port)" \
  --set "slots.first_port=$udp" --set slots.bind=127.0.0.1 --set rtmp.listen= --set rtc.bind_ip=127.0.0.1 \
  --set "rtc.udp_ports=$((udp + 9))-$((udp + 109))" >"$work/ready" 2>"$work/boothd.log" &
server=$!
stop() {
  term kill-server 2>/dev/null || true
  kill -TERM "$server" 2>/dev/null || true
  wait "$server" 2>/dev/null || true
  rm -rf "$work"
}
trap stop EXIT

# Waits until a command succeeds.
until_ok() {
  for _ in $(seq 300); do
    "$@" >/dev/null 2>&1 && return 0
    sleep 0.1
  done
  echo "pictures: still no: $*" >&2
  term capture-pane -p -t t >&2 || true
  return 1
}
shows() { term capture-pane -p -t t | grep -qF -- "$1"; }
keys() { term send-keys -t t "$@"; }

export BOOTH_SERVER=http://127.0.0.1:$grpc BOOTH_DATA=$work/data
until_ok grep -q '^ready' "$work/ready"
ffmpeg -v error -f lavfi -i testsrc2=s=640x360:r=30:d=4 -f lavfi -i sine=r=48000:d=4 -c:v libx264 -c:a aac -pix_fmt yuv420p "$work/loop.mp4"
"$bin/booth" channel create radio --backup "$work/loop.mp4" --start >/dev/null
term new-session -d -s t -x 100 -y 30 -e COLORTERM=truecolor -e LANG=C.UTF-8 -e XDG_CONFIG_HOME="$work" \
  "'$bin/booth' console --record '$work/session.jsonl'"
until_ok shows "Nobody waits"
keys P
until_ok shows "caller 3"
until_ok shows "●●●●●"
keys a
until_ok shows "armed ✓"
keys t
until_ok shows "Enter to air"
keys Enter
until_ok shows "is ON AIR on"
keys a
until_ok shows "armed ✓"
keys n
for letter in k n o w s Space t h e Space t o p i c; do keys "$letter"; done
keys Enter
until_ok shows "knows the"
until_ok shows "BACKUP"
keys 2
keys t
until_ok shows "TAKE 2"

# The last screen so far, at a size.
snap() { "$bin/booth" console --replay "$work/session.jsonl" --snapshot svg --size "$2" >"$out/$1.svg"; }
snap console-air 104x30
keys Escape
until_ok shows "cancelled"
keys Space
until_ok shows "history"
snap console-caller 104x30
keys g
keys c
until_ok shows "live input"
snap console-channels 104x30
echo "pictures: $(ls "$out"/*.svg | tr '\n' ' ')"
