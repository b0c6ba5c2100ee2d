#!/usr/bin/env bash
# syslog-ng with one listener. Each message becomes a line of JSON in $DIR/stored.jsonl, with all that syslog-ng parsed of it.
# Environment: PROTOCOL (udp, with tcp beside it; tcp; tls), FRAMING (octet-counting, lf), MAX_SIZE. For tls: CERTIFICATES (a
# folder with ca.pem, server.pem and server.key), CLIENTS (optional-untrusted, required-trusted).
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
source "$HERE/debian.sh"

fill() { unpack "$1" syslog-ng-core; }

HOME_FOLDER=$(in_cache "syslog-ng-$(version_of "$HERE/debian.sh")" fill)
[ "${1:-}" = run ] || exit 0

listener() {
  local transport=$1 kind=syslog flags=store-raw-message tls=
  if [ "${FRAMING:-}" = lf ] && [ "$transport" != udp ]; then kind=network flags=syslog-protocol,store-raw-message; fi
  if [ "$transport" = tls ]; then
    tls="tls(key-file(\"$CERTIFICATES/server.key\") cert-file(\"$CERTIFICATES/server.pem\") ca-file(\"$CERTIFICATES/ca.pem\")
      peer-verify(${CLIENTS:-optional-untrusted}))"
  fi
  echo "$kind(transport($transport) ip(127.0.0.1) port($PORT) max-connections(500) flags($flags) $tls);"
}

# Only a listener on tcp can show when it is ready.
LISTENERS="$(listener "$PROTOCOL") $([ "$PROTOCOL" != udp ] || listener tcp)"
PROGRAM=$(echo "$HOME_FOLDER"/usr/lib/syslog-ng/3.*)
cat >"$DIR/syslog-ng.conf" <<END
@version: 3.38
options { keep-hostname(yes); keep-timestamp(yes); use-dns(no); chain-hostnames(no); stats-freq(0);
  log-msg-size(${MAX_SIZE:-65536}); flush-lines(1); frac-digits(6); };
source s_all { $LISTENERS };
destination d_store { file("$DIR/stored.jsonl" template("\$(format-json --leave-initial-dot raw=\$RAWMSG pri=\$PRI timestamp=\$S_ISODATE hostname=\$HOST app_name=\$PROGRAM procid=\$PID msgid=\$MSGID msg=\$MESSAGE --key .SDATA.*)\n")); };
log { source(s_all); destination(d_store); };
END
LD_LIBRARY_PATH=$HOME_FOLDER/usr/lib/syslog-ng:$(libraries "$HOME_FOLDER")
export LD_LIBRARY_PATH
exec "$HOME_FOLDER/usr/sbin/syslog-ng" -F --no-caps --stderr "--module-path=$PROGRAM" -f "$DIR/syslog-ng.conf" \
  -R "$DIR/persist" -p "$DIR/syslog-ng.pid" -c "$DIR/control"
