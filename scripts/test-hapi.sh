#!/usr/bin/env bash
# Exports from a real HAPI FHIR server without $export at all three levels and holds every line against plain paging of the same server.
# Needs Java 17 and Maven, python3, and the folder that starts HAPI: HAPI_DIR, default ../shared/hapi.
set -euo pipefail
cd "$(dirname "$0")/.."
hapi=${HAPI_DIR:-$PWD/../shared/hapi}
data=test/fhirserver/data/synthetic-10
if [ ! -x "$hapi/run.sh" ] && [ ! -f "$hapi/run.sh" ]; then
	echo "no $hapi/run.sh: set HAPI_DIR" >&2
	exit 1
fi
dir=$(mktemp -d)
pids=()
cleanup() {
	for p in "${pids[@]}"; do kill "$p" 2>/dev/null || true; done
	rm -rf "$dir"
}
trap cleanup EXIT
free_port() { python3 -c 'import socket; s=socket.socket(); s.bind(("127.0.0.1",0)); print(s.getsockname()[1])'; }

# Patients and what they refer to come first: HAPI indexes a reference only when its target is there.
mkdir "$dir/data"
n=10
for t in Organization Location Practitioner Patient Encounter; do
	cp "$data/$t.ndjson" "$dir/data/$((n++))-$t.ndjson"
done
for f in "$data"/*.ndjson; do
	t=$(basename "$f" .ndjson)
	ls "$dir/data" | grep -q -- "-$t.ndjson" && continue
	[ "$t" = Group ] && continue
	cp "$f" "$dir/data/50-$t.ndjson"
done
[ -f "$data/Group.ndjson" ] && cp "$data/Group.ndjson" "$dir/data/90-Group.ndjson"

port=$(free_port)
started=$(bash "$hapi/run.sh" "$port" "$dir/data" | tail -n 1)
echo "$started"
pids+=("${started##* }")
base=http://127.0.0.1:$port/fhir

CGO_ENABLED=0 go build -o "$dir/sluice" ./cmd/sluice
public=$(free_port)
admin=$(free_port)
export SLUICE_SERVER_LISTEN=127.0.0.1:$public SLUICE_SERVER_ADMIN_LISTEN=127.0.0.1:$admin SLUICE_SERVER_PUBLIC_URL=http://127.0.0.1:$public/fhir
export SLUICE_UPSTREAM_RATE=0 SLUICE_STORAGE_URL=file:$dir/store SLUICE_AUDIT_DIR=$dir/audit SLUICE_AUTH_CLIENTS_DIR=$dir/clients
"$dir/sluice" serve --upstream "$base" >"$dir/serve.out" 2>"$dir/serve.log" &
pids+=($!)
for _ in $(seq 100); do
	curl -sf -o /dev/null "http://127.0.0.1:$admin/healthz" && break
	sleep 0.1
done
for level in --system --patients "--group half"; do
	out=$dir/out${level// /-}
	# shellcheck disable=SC2086
	"$dir/sluice" pull "$SLUICE_SERVER_PUBLIC_URL" --client-id development --key "$dir/store/development-client.key.json" $level -o "$out" >"$dir/pull.out" || { rc=$?; [ $rc = 3 ] || { cat "$dir/pull.out" "$dir/serve.log" >&2; exit $rc; }; }
	python3 scripts/hapi_oracle.py "$base" "$level" "$out"
done
