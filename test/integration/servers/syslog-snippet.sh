#!/usr/bin/env bash
# rsyslog or syslog-ng with a file of sinks/syslog/content/, as a user would put it in place: only its ports and folders are others,
# and what it has commented out is in. The files that it writes lie in $DIR/out.
# Environment: SERVER (rsyslog, syslog-ng), SNIPPET (the file), CERTIFICATES (a folder with ca.pem, server.pem and server.key), PORT (TLS),
# PLAIN_PORT, FORWARD_PORT (where it passes lines on to).
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
source "$HERE/debian.sh"

# The cache is that of rsyslog.sh and syslog-ng.sh, which fill it.
[ "${1:-}" = run ] || exit 0
HOME_FOLDER=$CACHE/$SERVER-$(version_of "$HERE/debian.sh")
[ -d "$HOME_FOLDER" ] || fail "$SERVER is not in the cache: $SERVER.sh fetch"
LIBRARIES=$(libraries "$HOME_FOLDER")
mkdir -p "$DIR/out"

snippet() {
  sed -E -e "s#/etc/mosaic-siem#$CERTIFICATES#g; s#/var/log/mosaic-siem#$DIR/out#g" \
    -e "s#6514#$PORT#; s#port(=\"|\()601#port\1$PLAIN_PORT#; s#siem\.example\.com#127.0.0.1#; s#5170#$FORWARD_PORT#" \
    -e 's%^( *)# (action\(|input\(|syslog\(|destination\b)%\1\2%' "$SNIPPET"
}

if [ "$SERVER" = rsyslog ]; then
  { echo "global(workDirectory=\"$DIR\" net.enableDNS=\"off\")"; snippet; } >"$DIR/server.conf"
  export LD_LIBRARY_PATH=$LIBRARIES
  exec "$HOME_FOLDER/usr/sbin/rsyslogd" -n -f "$DIR/server.conf" -i "$DIR/server.pid" -M "${LIBRARIES%%:*}/rsyslog"
fi
{ echo '@version: 3.38'; snippet; } >"$DIR/server.conf"
PROGRAM=$(echo "$HOME_FOLDER"/usr/lib/syslog-ng/3.*)
export LD_LIBRARY_PATH=$HOME_FOLDER/usr/lib/syslog-ng:$LIBRARIES
exec "$HOME_FOLDER/usr/sbin/syslog-ng" -F --no-caps --stderr "--module-path=$PROGRAM" -f "$DIR/server.conf" \
  -R "$DIR/persist" -p "$DIR/server.pid" -c "$DIR/control"
