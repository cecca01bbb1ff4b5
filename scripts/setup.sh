#!/usr/bin/env bash
# Installs the Debian packages that booth builds and tests with, those that are missing only.
set -euo pipefail

packages=(
  pkg-config
  gcc
  ca-certificates
  libgstreamer1.0-dev
  libgstreamer-plugins-base1.0-dev
  gstreamer1.0-tools
  gstreamer1.0-plugins-base
  gstreamer1.0-plugins-good
  gstreamer1.0-plugins-bad
  gstreamer1.0-plugins-ugly
  gstreamer1.0-libav
  ffmpeg
  srt-tools
)
# Only the tests need these, and the benches the peers.
case "${1:-}" in
  test) packages+=(libsrt-gnutls-dev chromium curl fish jq openssl tmux zsh) ;;
  bench) packages+=(libsrt-gnutls-dev nginx-light libnginx-mod-rtmp liquidsoap tmux) ;;
esac

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$status" = installed ] || missing+=("$package")
done
[ "${#missing[@]}" -eq 0 ] && exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || {
    echo "setup: missing ${missing[*]}; install them as root: apt-get install ${missing[*]}" >&2
    exit 1
  }
  as_root=(sudo)
fi
echo "setup: installing ${missing[*]} with apt-get"
"${as_root[@]}" apt-get update -qq
# In run level 1 no service is started: the benches' nginx must not take port 80.
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends "${missing[@]}"
# A registry that was written while plug-ins were half installed hides them.
rm -rf "${XDG_CACHE_HOME:-$HOME/.cache}/gstreamer-1.0"
