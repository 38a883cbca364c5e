#!/usr/bin/env bash
# All checks of the project: format, vet, staticcheck, tests with the race detector against a real Redis and the embedded one, and the
# builds for all platforms. It works from a clean checkout: Go is all it needs, and redis-server, which it installs on Debian when run by root.
# SLUICE_TEST_REDIS=host:port uses a Redis that is there already; its data is thrown away.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n== %s\n' "$*"; }

redis=
dir=$(mktemp -d)
cleanup() {
	if [ -n "$redis" ]; then
		kill "$redis" 2>/dev/null || true
		wait "$redis" 2>/dev/null || true
	fi
	rm -rf "$dir"
}
trap cleanup EXIT

install_redis() {
	command -v redis-server >/dev/null && return
	if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
		echo "redis-server is not installed; install it, or set SLUICE_TEST_REDIS=host:port" >&2
		exit 1
	fi
	step "install redis-server"
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -qq
	apt-get install -y -qq --no-install-recommends redis-server
}

# start_redis tries ports until a server holds one; a port that somebody else holds makes it end at once.
start_redis() {
	local port try
	for try in $(seq 20); do
		port=$((20000 + RANDOM % 20000))
		redis-server --bind 127.0.0.1 --port "$port" --dir "$dir" --save '' --appendonly no --maxmemory-policy noeviction >"$dir/redis.log" 2>&1 &
		redis=$!
		for _ in $(seq 100); do
			kill -0 "$redis" 2>/dev/null || break
			if grep -q 'Ready to accept connections' "$dir/redis.log"; then
				export SLUICE_TEST_REDIS=127.0.0.1:$port
				return
			fi
			sleep 0.05
		done
		kill "$redis" 2>/dev/null || true
		redis=
	done
	cat "$dir/redis.log" >&2
	echo "redis-server does not start" >&2
	exit 1
}

if [ -z "${SLUICE_TEST_REDIS:-}" ]; then
	install_redis
	start_redis
fi

step "gofmt"
unformatted=$(gofmt -l .)
if [ -n "$unformatted" ]; then
	printf 'gofmt would change:\n%s\n' "$unformatted" >&2
	exit 1
fi

step "go vet"
go vet ./...
go vet -tags failpoints ./cmd/sluice

step "staticcheck"
go tool -modfile=tools.mod staticcheck ./...

step "go test -race (Redis at $SLUICE_TEST_REDIS)"
go test -race -timeout 20m ./...

if [ -d cmd/sluice ]; then
	# What differs by platform is ours; the libraries of the clouds, which take minutes each time, do not.
	for platform in linux/amd64 linux/arm64 darwin/arm64 windows/amd64; do
		step "build for $platform, without clouds"
		CGO_ENABLED=0 GOOS=${platform%/*} GOARCH=${platform#*/} go build -tags nos3,nogcs,noazure -o "$dir/sluice" ./cmd/sluice
	done
	step "build with all clouds"
	go build -o "$dir/sluice" ./cmd/sluice
fi

step "all checks passed"
