#!/usr/bin/env bash
# Elasticsearch 9: the released server and its HTTP transport, as jars. No security, no ingest processors, few mappers.
# Environment: MORE (lines for elasticsearch.yml), HEAP.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
VERSION=9.5.3
JAVA=$(java_home 21)
NAME=elasticsearch-$VERSION-$(version_of "$0" "$HERE/common.sh" "$HERE/ElasticsearchNode.java")

fill() {
  mkdir -p "$1"/{lib/native,modules/transport-netty4,plugins}
  jars "$1/lib" "org.elasticsearch:elasticsearch:$VERSION"
  jars "$1/netty" "org.elasticsearch.plugin:transport-netty4:$VERSION"
  local jar
  for jar in "$1"/netty/*.jar; do
    # A module must not bring what the server has.
    [ -e "$1/lib/$(basename "$jar")" ] || mv "$jar" "$1/modules/transport-netty4/"
  done
  rm -r "$1/netty"
  printf '%s\n' 'description=HTTP' "version=$VERSION" name=transport-netty4 java.version=21 "elasticsearch.version=$VERSION" \
    modulename=org.elasticsearch.transport.netty4 classname=org.elasticsearch.transport.netty4.Netty4Plugin \
    >"$1/modules/transport-netty4/plugin-descriptor.properties"
  # The jars bring no native code; for zstd, with which stored fields are compressed, the system's library serves.
  cp -L "$(ldconfig -p | sed -n 's/.*libzstd\.so\.1 .*=> //p' | head -1)" "$1/lib/native/libzstd.so"
  "$JAVA/bin/javac" -nowarn -d "$1/classes" -cp "$1/lib/*" "$HERE/ElasticsearchNode.java"
}

HOME_FOLDER=$(in_cache "$NAME" fill maven)
[ "${1:-}" = run ] || exit 0

mkdir -p "$DIR"/{config,data,logs,tmp}
cat >"$DIR/config/log4j2.properties" <<'END'
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = [%d{ISO8601}][%-5p][%c{1}] %m%n
rootLogger.level = info
rootLogger.appenderRef.console.ref = console
END
cat >"$DIR/config/elasticsearch.yml" <<END
cluster.name: integration
node.name: one
discovery.type: single-node
network.host: 127.0.0.1
http.port: $PORT
transport.port: 0
path.data: $DIR/data
path.logs: $DIR/logs
${MORE:-}
END
cd "$DIR"
exec "$JAVA/bin/java" -Xms128m "-Xmx${HEAP:-512m}" -XX:+UseSerialGC -XX:TieredStopAtLevel=1 \
  -Djava.awt.headless=true -Dlog4j.shutdownHookEnabled=false -Dlog4j2.disable.jmx=true -Des.distribution.type=zip \
  --add-opens=java.base/java.io=ALL-UNNAMED --add-modules=jdk.net,ALL-MODULE-PATH \
  --enable-native-access=ALL-UNNAMED,org.elasticsearch.foreign,org.elasticsearch.nativeaccess,org.apache.lucene.core \
  -Dorg.elasticsearch.nativeaccess.enableVectorLibrary=false "-Des.nativelibs.path=$HOME_FOLDER/lib/native" \
  "-Djava.io.tmpdir=$DIR/tmp" "-Des.path.home=$HOME_FOLDER" "-Des.path.conf=$DIR/config" \
  --module-path "$HOME_FOLDER/lib" -cp "$HOME_FOLDER/classes" ElasticsearchNode
