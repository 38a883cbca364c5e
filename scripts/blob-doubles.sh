# To be sourced: starts doubles of the clouds' stores on loopback and sets SLUICE_TEST_BLOB to their locations, with the credentials
# that they want. Needs go, curl, python3, node and npm, which it installs on Debian when run by root. stop_blob ends them.
blob_dir=$(mktemp -d)
blob_pids=()
blob_cache=${SLUICE_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/sluice-tools}
mkdir -p "$blob_cache"

missing=()
for program in curl:curl python3:python3 node:nodejs npm:npm; do
	command -v "${program%%:*}" >/dev/null || missing+=("${program#*:}")
done
if [ ${#missing[@]} -gt 0 ]; then
	if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
		echo "not installed: ${missing[*]}" >&2
		exit 1
	fi
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -qq
	apt-get install -y -qq --no-install-recommends "${missing[@]}"
fi

stop_blob() {
	for p in "${blob_pids[@]}"; do kill "$p" 2>/dev/null || true; done
	rm -rf "$blob_dir"
}

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# await URL: until something answers.
await() {
	for _ in $(seq 100); do
		curl -s -o "$blob_dir/answer" "$1" && return
		sleep 0.1
	done
	echo "no answer from $1" >&2
	return 1
}

start_versitygw() {
	local port
	[ -x "$blob_cache/versitygw" ] || GOBIN=$blob_cache go install github.com/versity/versitygw/cmd/versitygw@v1.8.0
	port=$(free_port)
	mkdir -p "$blob_dir/s3/exports"
	export AWS_ACCESS_KEY_ID=sluice AWS_SECRET_ACCESS_KEY=not-a-secret
	ROOT_ACCESS_KEY=$AWS_ACCESS_KEY_ID ROOT_SECRET_KEY=$AWS_SECRET_ACCESS_KEY \
		"$blob_cache/versitygw" --port "127.0.0.1:$port" --quiet --keep-alive posix "$blob_dir/s3" >"$blob_dir/versitygw.log" 2>&1 &
	blob_pids+=($!)
	await "http://127.0.0.1:$port/"
	SLUICE_TEST_S3="s3://exports?endpoint=http://127.0.0.1:$port"
}

start_azurite() {
	local port
	[ -d "$blob_cache/node_modules/azurite" ] || npm install --silent --no-fund --no-audit --prefix "$blob_cache" azurite@3.37.0
	port=$(free_port)
	node "$blob_cache/node_modules/.bin/azurite-blob" --silent --skipApiVersionCheck --inMemoryPersistence \
		--blobHost 127.0.0.1 --blobPort "$port" >"$blob_dir/azurite.log" 2>&1 &
	blob_pids+=($!)
	await "http://127.0.0.1:$port/"
	# The key that everybody knows: https://learn.microsoft.com/azure/storage/common/storage-use-azurite
	export AZURE_STORAGE_KEY=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==
	python3 - "$port" <<-'EOF'
		import base64, email.utils, hashlib, hmac, os, sys, urllib.request
		account, date = "devstoreaccount1", email.utils.formatdate(usegmt=True)
		signed = "PUT" + "\n" * 12 + f"x-ms-date:{date}\nx-ms-version:2021-08-06\n/{account}/{account}/exports\nrestype:container"
		mac = hmac.new(base64.b64decode(os.environ["AZURE_STORAGE_KEY"]), signed.encode(), hashlib.sha256).digest()
		urllib.request.urlopen(urllib.request.Request(
		    f"http://127.0.0.1:{sys.argv[1]}/{account}/exports?restype=container", method="PUT",
		    headers={"x-ms-date": date, "x-ms-version": "2021-08-06", "Content-Length": "0",
		             "Authorization": f"SharedKey {account}:{base64.b64encode(mac).decode()}"}))
	EOF
	SLUICE_TEST_AZURE="azblob://exports?account=devstoreaccount1&endpoint=http://127.0.0.1:$port/devstoreaccount1"
}

start_gcs() {
	local port
	[ -x "$blob_cache/fake-gcs-server" ] || GOBIN=$blob_cache go install github.com/fsouza/fake-gcs-server@v1.56.1
	port=$(free_port)
	"$blob_cache/fake-gcs-server" -scheme http -host 127.0.0.1 -port "$port" -backend memory -public-host "127.0.0.1:$port" \
		-external-url "http://127.0.0.1:$port" >"$blob_dir/gcs.log" 2>&1 &
	blob_pids+=($!)
	await "http://127.0.0.1:$port/storage/v1/b"
	curl -s -o "$blob_dir/answer" -H 'Content-Type: application/json' -d '{"name":"exports"}' "http://127.0.0.1:$port/storage/v1/b?project=sluice"
	SLUICE_TEST_GCS="gs://exports?anonymous=true&endpoint=http://127.0.0.1:$port"
}
