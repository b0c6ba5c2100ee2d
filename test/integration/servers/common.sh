# What the servers' scripts share; each of them reads it first. See ../README.md.
set -euo pipefail
shopt -s inherit_errexit
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
CACHE=${MOSAIC_SIEM_TEST_CACHE:?names the folder for what is fetched; servers.ts sets it}

say() { echo "$(basename "$0" .sh): $*" >&2; }
fail() { say "$*"; exit 1; }

# need COMMAND PACKAGE: a command that must be there. In CI, as root and with apt-get, a missing one is installed.
need() {
  command -v "$1" >/dev/null && return
  [ "${CI:-}" = true ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || fail "$1 is missing (Debian: package $2)"
  say "installing $2"
  (exec 8>/tmp/mosaic-siem-apt.lock && flock 8 && apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$2") >&2 ||
    fail "$1 is missing, and apt-get cannot install $2"
}

# in_cache NAME FUNCTION [LOCK]: prints the folder NAME of the cache. Where it is missing, `FUNCTION FOLDER` fills a new one,
# which gets its name only when it is whole. Scripts that share a LOCK wait for each other.
in_cache() {
  need flock util-linux
  mkdir -p "$CACHE"
  (
    exec 9>"$CACHE/.${3:-$1}.lock"
    flock 9
    if [ ! -d "$CACHE/$1" ]; then
      local began=$SECONDS
      say "fetching $1"
      rm -rf "$CACHE/$1.new"
      mkdir "$CACHE/$1.new"
      "$2" "$CACHE/$1.new" >&2
      chmod -R a+rX "$CACHE/$1.new"
      mv "$CACHE/$1.new" "$CACHE/$1"
      say "fetched $1 in $((SECONDS - began)) s"
    fi
  )
  echo "$CACHE/$1"
}

# java_home LEAST [MOST]: prints the home of the oldest JDK of a version between them. Looks into files only: to start one
# just to ask for its version takes longer than all else here.
java_home() {
  local home version best='' found=99999
  for home in "${JAVA_HOME:-}" /usr/lib/jvm/*; do
    [ -n "$home" ] && [ -x "$home/bin/javac" ] && [ -r "$home/release" ] || continue
    version=$(sed -n 's/^JAVA_VERSION="\([0-9]*\).*/\1/p' "$home/release")
    if [ "${version:-0}" -ge "$1" ] && [ "$version" -le "${2:-9999}" ] && [ "$version" -lt "$found" ]; then
      best=$home found=$version
    fi
  done
  [ -n "$best" ] || fail "no JDK of version $1${2:+ to $2} in JAVA_HOME or /usr/lib/jvm"
  echo "$best"
}

# jars FOLDER GROUP:ARTIFACT:VERSION: copies this jar and all that it needs at run time into FOLDER.
jars() {
  need mvn maven
  local pom group artifact version
  pom=$(mktemp -d)
  IFS=: read -r group artifact version <<<"$2"
  cat >"$pom/pom.xml" <<XML
<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>none</groupId><artifactId>none</artifactId><version>1</version><dependencies><dependency>
<groupId>$group</groupId><artifactId>$artifact</artifactId><version>$version</version>
</dependency></dependencies></project>
XML
  maven -f "$pom/pom.xml" dependency:copy-dependencies -DincludeScope=runtime "-DoutputDirectory=$1"
  rm -rf "$pom"
}

maven() { mvn -q -B -ntp "-Dmaven.repo.local=$CACHE/m2" "$@"; }

# version_of FILE…: eight digits that change when a file does, so that the cache never holds what an older script made.
version_of() { cat "$@" | sha256sum | cut -c1-8; }

# unprivileged: puts the command for the prefix of another into the array AS; a server that refuses root runs as nobody.
unprivileged() {
  AS=()
  if [ "$(id -u)" = 0 ]; then
    chown -R nobody "$DIR"
    AS=(setpriv --reuid=nobody --regid=nogroup --clear-groups)
  fi
}
