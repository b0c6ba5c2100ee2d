#!/usr/bin/env bash
# pySigma with the backends for Splunk and Elasticsearch, and its command. It is no server: `sigma.sh run ARGUMENT…` is `sigma ARGUMENT…`.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

fill() {
  need python3 python3-venv
  python3 -c 'import ensurepip' 2>/dev/null || fail "python3 has no venv (Debian: package python3-venv)"
  python3 -m venv "$1"
  "$1/bin/python" -m pip install -q --disable-pip-version-check -r "$HERE/sigma-requirements.txt"
}

HOME_FOLDER=$(in_cache "sigma-$(version_of "$0" "$HERE/sigma-requirements.txt")" fill)
[ "${1:-}" = run ] || exit 0
shift
# Not by its script in bin/: that holds the name that the folder had while it was filled.
exec "$HOME_FOLDER/bin/python" -c 'from sigma.cli.main import main; main()' "$@"
