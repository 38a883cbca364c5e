#!/usr/bin/env bash
# Downloads as other programs see them: an export whose types take several files of several parts each, fetched by curl, Go, Node and Python in
# both codings, whole and in pieces. It needs Go, curl, node (18 or later) and python3, which it installs on Debian when run by root.
# DOWNLOAD_SEED repeats the cuts of an earlier run, DOWNLOAD_PATIENTS and DOWNLOAD_CUTS make the test larger.
set -euo pipefail
cd "$(dirname "$0")/.."

patients=${DOWNLOAD_PATIENTS:-100}
cuts=${DOWNLOAD_CUTS:-4}
seed=${DOWNLOAD_SEED:-$((RANDOM * 32768 + RANDOM))}
file_size=$((1 << 20)) # the least that export.file_size may be
clients=test/download

step() { printf '\n== %s (%d s)\n' "$*" "$SECONDS"; }
fail() {
	printf 'FAIL: %s\n' "$*" >&2
	exit 1
}

dir=$(mktemp -d)
pids=()
cleanup() {
	local rc=$?
	for p in "${pids[@]}"; do kill "$p" 2>/dev/null || true; done
	for p in "${pids[@]}"; do wait "$p" 2>/dev/null || true; done
	if [ "$rc" != 0 ]; then
		printf '\nFAIL, exit %d; the cuts of this run: DOWNLOAD_SEED=%s\n' "$rc" "$seed" >&2
		tail -n 20 "$dir/serve.log" >&2 2>/dev/null || true
	fi
	rm -rf "$dir"
}
trap cleanup EXIT

install_programs() {
	local missing=() program
	for program in curl:curl node:nodejs python3:python3; do
		command -v "${program%:*}" >/dev/null || missing+=("${program#*:}")
	done
	[ "${#missing[@]}" = 0 ] && return
	if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
		fail "not installed: ${missing[*]}"
	fi
	step "install ${missing[*]}"
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -qq
	apt-get install -y -qq --no-install-recommends "${missing[@]}"
}

# start_sluice tries ports until it holds both; the public one stands in the configuration, so it has to be known before.
start_sluice() {
	local try public admin
	for try in $(seq 10); do
		public=$((20000 + RANDOM % 20000))
		admin=$((public + 1))
		base=http://127.0.0.1:$public/fhir
		cat >"$dir/sluice.yaml" <<-YAML
			server: {listen: "127.0.0.1:$public", admin_listen: "127.0.0.1:$admin", public_url: "$base"}
			upstream: {url: "$upstream", rate: 0}
			storage: {url: "file:$dir/store"}
			audit: {dir: "$dir/audit"}
			auth: {clients_dir: "$dir/clients"}
			export: {file_size: $file_size, chunk_patients: 3}
		YAML
		"$dir/sluice" serve --config "$dir/sluice.yaml" 2>"$dir/serve.log" &
		sluice=$!
		pids+=("$sluice")
		for _ in $(seq 100); do
			kill -0 "$sluice" 2>/dev/null || break
			curl -sf -o /dev/null "http://127.0.0.1:$admin/readyz" && return
			sleep 0.1
		done
		kill "$sluice" 2>/dev/null || true
	done
	fail "sluice does not start"
}

install_programs
step "build"
CGO_ENABLED=0 go build -o "$dir/sluice" ./cmd/sluice
CGO_ENABLED=0 go build -o "$dir/fhirserver" ./test/fhirserver/cmd/fhirserver
CGO_ENABLED=0 go build -o "$dir/goclient" ./$clients/cmd

step "start an upstream of $patients patients, and Sluice in front of it"
mkfifo "$dir/ready"
"$dir/fhirserver" -patients "$patients" -extras >"$dir/ready" 2>"$dir/upstream.log" &
pids+=($!)
read -r upstream <"$dir/ready"
start_sluice

step "export"
"$dir/sluice" keygen -o "$dir/key.json" >"$dir/jwks.json"
"$dir/sluice" client add loader --jwks "$dir/jwks.json" --dir "$dir/clients" 2>"$dir/client.log"
rc=0
"$dir/sluice" pull "$base" --client-id loader --key "$dir/key.json" --patients --json -o "$dir/pulled" >"$dir/pull.json" || rc=$?
[ "$rc" = 0 ] || [ "$rc" = 3 ] || fail "sluice pull ended with exit $rc" # 3: there are error files, which are downloads like others
manifest=$dir/pulled/manifest.json
node $clients/client.mjs token "$base" loader "$dir/key.json" >"$dir/token"

step "sizes and numbers of files"
python3 $clients/check.py sizes "$manifest" "$dir/store" "$file_size" "$patients"

step "whole downloads by Go, Node, Python and curl"
"$dir/goclient" download "$manifest" "$dir/token" >"$dir/report"
node $clients/client.mjs download "$manifest" "$dir/token" >>"$dir/report"
python3 $clients/client.py download "$manifest" "$dir/token" >>"$dir/report"
printf 'Authorization: Bearer %s\n' "$(cat "$dir/token")" >"$dir/authorization"
python3 -c 'import json, sys; m = json.load(open(sys.argv[1])); [print(f["count"], f["url"]) for f in m["output"] + m["error"]]' "$manifest" >"$dir/files"
mkdir -p "$dir/curl/gzip" "$dir/curl/identity"
get() { curl -sS --fail --max-time 60 -H @"$dir/authorization" "$@"; }
while read -r count url; do
	name=${url##*/}
	get --compressed -D "$dir/head" -o "$dir/curl/gzip/$name" "$url"
	grep -qi '^content-encoding: gzip' "$dir/head" || fail "$name: curl --compressed did not get gzip"
	get -H 'Accept-Encoding: identity' -D "$dir/head" -o "$dir/curl/identity/$name" "$url"
	! grep -qi '^content-encoding:' "$dir/head" || fail "$name: curl got a coding that it did not ask for"
	for coding in gzip identity; do
		lines=$(wc -l <"$dir/curl/$coding/$name")
		[ "$lines" = "$count" ] || fail "$name by curl as $coding: $lines lines, the manifest counts $count"
	done
done <"$dir/files"
python3 $clients/client.py folder "$manifest" curl "$dir/curl" >>"$dir/report"
python3 $clients/check.py same "$manifest" "$dir/pull.json" "$dir/report"

step "broken and resumed downloads; seed $seed"
"$dir/goclient" cuts "$manifest" "$dir/token" "$seed" "$cuts"
resumed=0
RANDOM=$seed
while read -r _ url; do # curl -C - goes on where the file on disk ends
	for coding in gzip identity; do
		whole=$dir/curl/identity/${url##*/}
		if [ "$coding" = gzip ]; then
			whole=$dir/whole
			get -H "Accept-Encoding: gzip" -o "$whole" "$url"
		fi
		size=$(wc -c <"$whole")
		head -c $(((RANDOM * 32768 + RANDOM) % (size - 1) + 1)) "$whole" >"$dir/piece"
		get -H "Accept-Encoding: $coding" -C - -o "$dir/piece" "$url"
		cmp "$whole" "$dir/piece" || fail "${url##*/} as $coding: resumed by curl it is another file; seed $seed"
		resumed=$((resumed + 1))
	done
done <"$dir/files"
echo "curl resumed $resumed downloads: no difference"

step "the audit log"
kill "$sluice"
wait "$sluice" || fail "sluice did not stop in good order"
sed -n '/^```python$/,/^```$/p' docs/compliance/audit-log.md | sed '1d;$d' >"$dir/chain.py" # as the document tells people to
python3 "$dir/chain.py" "$dir/audit"
started=$(cat "$dir"/audit/*.ndjson | grep -c '"type":"download.started"')
ended=$(cat "$dir"/audit/*.ndjson | grep -c '"type":"download.ended"')
[ "$started" = "$ended" ] || fail "$started downloads began and $ended ended"
echo "$started downloads are on record, each with its end; the chain holds"
sed -i '10d' "$dir"/audit/*.ndjson
! python3 "$dir/chain.py" "$dir/audit" >/dev/null 2>&1 || fail "a line was taken out of the audit log and nobody noticed"

step "all downloads are whole and equal"
