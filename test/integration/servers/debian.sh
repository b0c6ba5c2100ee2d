# Servers from Debian's packages, unpacked and not installed: rsyslog and syslog-ng exclude each other there, and no daemon of the
# machine is touched. Read after common.sh.

# unpack FOLDER PACKAGE…: these, and what they need that this machine lacks.
unpack() {
  local folder=$1 package
  shift
  command -v apt-get >/dev/null || fail 'only Debian and its kind have packages that can be unpacked here: no apt-get'
  download "$folder" "$@" || fail 'its packages cannot be had from the archive: is there a network?'
  for package in "$folder"/*.deb; do
    dpkg -x "$package" "$folder"
    rm "$package"
  done
}

download() {
  try_download "$@" && return
  # The lists of what there is may be missing or old; only root may renew them.
  [ "$(id -u)" = 0 ] && (exec 8>/tmp/mosaic-siem-apt.lock && flock 8 && apt-get update -qq) && try_download "$@"
}

try_download() {
  local folder=$1 needed
  shift
  # What is here in an older version (named in $3) stays: another C library would not fit the machine's loader.
  needed=$(apt-get install --simulate --no-install-recommends "$@" | awk '/^Inst / && $3 !~ /^\[/ { print $2 }') || return
  # shellcheck disable=SC2086
  (cd "$folder" && apt-get download -qq $(printf '%s\n' "$@" $needed | sort -u))
}

# libraries FOLDER: where the loader finds those of the unpacked packages.
libraries() {
  local kind
  kind=$(gcc -print-multiarch 2>/dev/null || echo "$(uname -m)-linux-gnu")
  echo "$1/usr/lib/$kind:$1/lib/$kind"
}
