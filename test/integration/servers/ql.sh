#!/usr/bin/env bash
# No server: the parsers of ES|QL and KQL, as released. `run` reads a query a line (`esql BASE64` or `kql BASE64`) and answers each with
# a line, `ok` or `bad WHY`.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
VERSION=9.5.3
JAVA=$(java_home 21)
SOURCES=("$HERE/QueryCheck.java" "$HERE/QlClientException.java")
NAME=ql-$VERSION-$(version_of "$0" "$HERE/common.sh" "${SOURCES[@]}")

fill() {
  need mvn maven
  local pom=$1/pom.xml artifact
  # The plugins without what they depend on, some of which nobody publishes.
  {
    echo '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
    echo '<groupId>none</groupId><artifactId>none</artifactId><version>1</version><dependencies>'
    for artifact in x-pack-esql x-pack-kql x-pack-core; do
      echo "<dependency><groupId>org.elasticsearch.plugin</groupId><artifactId>$artifact</artifactId><version>$VERSION</version>"
      echo '<exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions></dependency>'
    done
    echo "<dependency><groupId>org.elasticsearch</groupId><artifactId>elasticsearch</artifactId><version>$VERSION</version></dependency>"
    echo '<dependency><groupId>org.antlr</groupId><artifactId>antlr4-runtime</artifactId><version>4.13.1</version></dependency>'
    echo '</dependencies></project>'
  } >"$pom"
  maven -f "$pom" dependency:copy-dependencies -DincludeScope=runtime "-DoutputDirectory=$1/lib"
  "$JAVA/bin/javac" -nowarn -d "$1/classes" -cp "$1/lib/*" "${SOURCES[@]}"
}

HOME_FOLDER=$(in_cache "$NAME" fill maven)
[ "${1:-}" = run ] || exit 0
exec "$JAVA/bin/java" -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -cp "$HOME_FOLDER/classes:$HOME_FOLDER/lib/*" \
  org.elasticsearch.xpack.kql.parser.QueryCheck
