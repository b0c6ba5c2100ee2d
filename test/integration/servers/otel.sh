#!/usr/bin/env bash
# An OpenTelemetry Collector that takes what Splunk's HTTP Event Collector takes, with acknowledgements, and writes each request
# as a line of $DIR/stored.jsonl before it answers. The sources in otel/ are as the OpenTelemetry Collector Builder wrote them
# (Apache-2.0); go.mod and go.sum pin every version.
# Environment: CERTIFICATES (a folder with server.pem and server.key: then it speaks TLS), CLIENT_CA (a file).
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
NAME=otel-$(version_of "$0" "$HERE"/otel/*)

build() {
  need go golang
  cd "$HERE/otel"
  # One proxy alone: with a second way to look, a version that is missing is told as a network error.
  GOPROXY=$(go env GOPROXY | cut -d, -f1) GOFLAGS='-buildvcs=false -mod=readonly' CGO_ENABLED=0 \
    go build -trimpath -ldflags='-s -w' -o "$1/collector" . 2>&1 | sed '/^go: downloading /d'
}

HOME_FOLDER=$(in_cache "$NAME" build)
[ "${1:-}" = run ] || exit 0

TLS=
if [ -n "${CERTIFICATES:-}" ]; then
  TLS="tls: { cert_file: $CERTIFICATES/server.pem, key_file: $CERTIFICATES/server.key${CLIENT_CA:+, client_ca_file: $CLIENT_CA} }"
fi
# With rotation the exporter appends and writes at once; without it buffers, and begins with an empty file.
cat >"$DIR/collector.yaml" <<END
receivers:
  splunk_hec:
    endpoint: 127.0.0.1:$PORT
    ack: { extension: ack }
    $TLS
extensions:
  ack: { max_number_of_partition: 100000, max_number_of_pending_acks_per_partition: 100000 }
exporters:
  file: { path: $DIR/stored.jsonl, rotation: { max_megabytes: 100000, max_backups: 0 } }
service:
  extensions: [ack]
  telemetry: { metrics: { level: none }, logs: { level: info } }
  pipelines:
    logs: { receivers: [splunk_hec], exporters: [file] }
END
exec "$HOME_FOLDER/collector" --config "$DIR/collector.yaml"
