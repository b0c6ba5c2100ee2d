#!/usr/bin/env bash
# Elasticsearch 8: the distribution that Elastic's own integration tests run on, with security. No ingest processors, few mappers.
# Environment: CERTIFICATE and KEY (PEM files: HTTPS and security, with the superuser `admin` of the password `integration`), MORE
# (lines for elasticsearch.yml), HEAP.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
VERSION=8.19.21
JAVA=$(java_home 17 21)
NAME=elasticsearch-$VERSION-$(version_of "$0" "$HERE/common.sh" "$HERE/AnalysisParts.java")

fill() {
  need unzip unzip
  local artifact=org.elasticsearch.distribution.integ-test-zip:elasticsearch:$VERSION:zip
  maven dependency:get -Dtransitive=false "-Dartifact=$artifact"
  unzip -q "$CACHE/m2/org/elasticsearch/distribution/integ-test-zip/elasticsearch/$VERSION/elasticsearch-$VERSION.zip" -d "$1"
  mv "$1/elasticsearch-$VERSION"/* "$1/"
  rm -r "$1/elasticsearch-$VERSION"
  local module=$1/modules/analysis-parts
  mkdir -p "$module"
  "$JAVA/bin/javac" -nowarn -d "$1/classes" -cp "$1/lib/*" "$HERE/AnalysisParts.java"
  "$JAVA/bin/jar" cf "$module/analysis-parts.jar" -C "$1/classes" .
  rm -r "$1/classes"
  printf '%s\n' 'description=analysis' "version=$VERSION" name=analysis-parts java.version=17 "elasticsearch.version=$VERSION" \
    classname=AnalysisParts >"$module/plugin-descriptor.properties"
  # A user of the file realm: it is known before the cluster has its index of users.
  ES_JAVA_HOME=$JAVA "$1/bin/elasticsearch-users" useradd admin -p integration -r superuser
  # The log of the garbage collector would go into the cache.
  sed -i 's/^-Xlog:gc.*//; s/^.*:-Xlog:gc.*//' "$1/config/jvm.options"
}

HOME_FOLDER=$(in_cache "$NAME" fill maven)
[ "${1:-}" = run ] || exit 0

mkdir -p "$DIR"/{config/jvm.options.d,data,logs,tmp}
cp -r "$HOME_FOLDER/config/." "$DIR/config/"
printf '%s\n' "-Xms${HEAP:-512m}" "-Xmx${HEAP:-512m}" -XX:-AlwaysPreTouch -XX:TieredStopAtLevel=1 \
  >"$DIR/config/jvm.options.d/small.options"
cat >"$DIR/config/elasticsearch.yml" <<END
cluster.name: integration
node.name: one
discovery.type: single-node
network.host: 127.0.0.1
http.port: $PORT
transport.port: 0
path.data: $DIR/data
path.logs: $DIR/logs
xpack.security.autoconfiguration.enabled: false
${MORE:-}
END
if [ -n "${CERTIFICATE:-}" ]; then
  cp "$CERTIFICATE" "$DIR/config/server.pem"
  cp "$KEY" "$DIR/config/server.key"
  cat >>"$DIR/config/elasticsearch.yml" <<END
xpack.security.enabled: true
xpack.security.http.ssl: { enabled: true, certificate: server.pem, key: server.key }
END
else
  echo 'xpack.security.enabled: false' >>"$DIR/config/elasticsearch.yml"
fi
unprivileged
cd "$DIR"
exec "${AS[@]}" env -i "PATH=$PATH" "HOME=$DIR" "ES_JAVA_HOME=$JAVA" "ES_PATH_CONF=$DIR/config" "ES_TMPDIR=$DIR/tmp" \
  "$HOME_FOLDER/bin/elasticsearch"
