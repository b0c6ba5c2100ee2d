#!/usr/bin/env bash
# rsyslog with one listener, which takes both ways to frame. Each message becomes a line of JSON in $DIR/stored.jsonl, with all
# that rsyslog parsed of it.
# Environment: PROTOCOL (udp, with tcp beside it; tcp; tls), MAX_SIZE (in bytes). For tls: CERTIFICATES (a folder with ca.pem, server.pem and
# server.key), CLIENTS (anon, x509/certvalid, x509/name), CLIENT_NAME (for the last one).
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
source "$HERE/debian.sh"

fill() { unpack "$1" rsyslog rsyslog-openssl; }

HOME_FOLDER=$(in_cache "rsyslog-$(version_of "$HERE/debian.sh")" fill)
[ "${1:-}" = run ] || exit 0

LISTENER='ruleset="store" address="127.0.0.1"'
case $PROTOCOL in
  # Only a listener on tcp can show when it is ready.
  udp) INPUTS="module(load=\"imudp\") input(type=\"imudp\" port=\"$PORT\" $LISTENER) input(type=\"imtcp\" port=\"$PORT\" $LISTENER)" ;;
  tcp) INPUTS="input(type=\"imtcp\" port=\"$PORT\" $LISTENER)" ;;
  tls)
    INPUTS="input(type=\"imtcp\" port=\"$PORT\" $LISTENER streamDriver.name=\"ossl\" streamDriver.mode=\"1\"
      streamDriver.authMode=\"${CLIENTS:-anon}\" ${CLIENT_NAME:+permittedPeer=[\"$CLIENT_NAME\"]})"
    DRIVER="defaultNetstreamDriver=\"ossl\" defaultNetstreamDriverCAFile=\"$CERTIFICATES/ca.pem\"
      defaultNetstreamDriverCertFile=\"$CERTIFICATES/server.pem\" defaultNetstreamDriverKeyFile=\"$CERTIFICATES/server.key\""
    ;;
esac

field() { echo "property(outname=\"$1\" name=\"$2\" format=\"jsonf\" ${3:-}) constant(value=\",\")"; }

# Control characters are stored as they come, so that one which should not have come shows.
cat >"$DIR/rsyslog.conf" <<END
global(workDirectory="$DIR" maxMessageSize="$MAX_SIZE" net.enableDNS="off" parser.escapeControlCharactersOnReceive="off"
  oversizemsg.errorfile="$DIR/oversize.log" ${DRIVER:-})
module(load="imtcp" maxSessions="500" maxFrameSize="$((MAX_SIZE > 200000 ? MAX_SIZE : 200000))")
module(load="mmpstrucdata")
template(name="line" type="list") {
  constant(value="{")
  $(field raw rawmsg) $(field pri pri) $(field version protocol-version)
  $(field timestamp timereported dateFormat=\"rfc3339\") $(field hostname hostname) $(field app_name app-name)
  $(field procid procid) $(field msgid msgid) $(field msg msg)
  constant(value="\"structured_data\":") property(name="\$!rfc5424-sd") constant(value="}\n")
}
ruleset(name="store") {
  action(type="mmpstrucdata" sd_name.lowercase="off")
  # Without structured data the variable must still be an object.
  if \$!rfc5424-sd == "" then { set \$!rfc5424-sd!none = ""; unset \$!rfc5424-sd!none; }
  action(type="omfile" file="$DIR/stored.jsonl" template="line" flushOnTXEnd="on")
}
$INPUTS
END
LIBRARIES=$(libraries "$HOME_FOLDER")
export LD_LIBRARY_PATH=$LIBRARIES
exec "$HOME_FOLDER/usr/sbin/rsyslogd" -n -f "$DIR/rsyslog.conf" -i "$DIR/rsyslog.pid" -M "${LIBRARIES%%:*}/rsyslog"
