#!/usr/bin/env bash
# Splunk's own check of an app, which needs no Splunk and no account.
# `appinspect.sh inspect APP.tgz REPORT.json` writes what it found; its own status is 0 whatever that is.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

VERSION=4.3.1

fill() {
  need python3 python3
  python3 -m venv "$1" || fail "python3 cannot make a venv (Debian: package python3-venv)"
  "$1/bin/pip" install -q --disable-pip-version-check "splunk-appinspect==$VERSION"
}

# python-magic loads it by name, so a command that uses it stands in for the library.
libmagic() { ldconfig -p | grep -q 'libmagic\.so\.1' || need file file; }

HOME_FOLDER=$(in_cache "appinspect-$VERSION" fill)
libmagic
[ "${1:-}" = inspect ] || exit 0

# The venv was made under another name and moved, so its own scripts point to where it was.
exec "$HOME_FOLDER/bin/python" -m splunk_appinspect.main inspect "$2" --mode precert --data-format json --output-file "$3"
