#!/usr/bin/env bash
# Runs the suite of the job state on every kind of Redis that state.redis can name: one with TLS and a user of its own, a cluster of six,
# and a replica set with three sentinels. It needs redis-server, redis-sentinel and openssl, which it installs on Debian when run by root.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n== %s\n' "$*"; }
for program in redis-server redis-cli redis-sentinel openssl; do
	command -v "$program" >/dev/null && continue
	if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
		echo "$program is not installed" >&2
		exit 1
	fi
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -qq
	apt-get install -y -qq --no-install-recommends redis-server redis-tools redis-sentinel openssl
	break
done

dir=$(mktemp -d)
pids=()
cleanup() {
	for p in "${pids[@]}"; do kill "$p" 2>/dev/null || true; done
	wait 2>/dev/null || true
	rm -rf "$dir"
}
trap cleanup EXIT
free_port() { # below 45535: a cluster node also takes its port + 10000
	local port
	while :; do
		port=$((20000 + RANDOM % 15000))
		if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && ! (exec 3<>"/dev/tcp/127.0.0.1/$((port + 10000))") 2>/dev/null; then
			echo "$port"
			return
		fi
	done
}
start() { # name, options: a redis-server
	local name=$1
	shift
	mkdir -p "$dir/$name"
	redis-server --bind 127.0.0.1 --dir "$dir/$name" --save '' --appendonly no --maxmemory-policy noeviction "$@" >"$dir/$name.log" 2>&1 &
	pids+=($!)
}
await() { # a command that succeeds when it is up
	for _ in $(seq 100); do
		"$@" >/dev/null 2>&1 && return
		sleep 0.1
	done
	tail -n 20 "$dir"/*.log >&2
	echo "did not come up: $*" >&2
	exit 1
}
suite() { # name, SLUICE_TEST_REDIS
	step "$1"
	if ! SLUICE_TEST_REDIS=$2 go test ./jobs -count=1 -run 'TestSuite|TestAnyOrder' -v >"$dir/test.log" 2>&1; then
		cat "$dir/test.log"
		exit 1
	fi
	grep -E '^ok|^    --- ' "$dir/test.log"
}

step "a certificate"
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext 'subjectAltName=DNS:localhost,IP:127.0.0.1' \
	-keyout "$dir/key.pem" -out "$dir/cert.pem" 2>/dev/null

tls=$(free_port)
printf 'user default off\nuser sluice on >secret ~* &* +@all\n' >"$dir/users.acl"
start tls --port 0 --tls-port "$tls" --tls-cert-file "$dir/cert.pem" --tls-key-file "$dir/key.pem" --tls-ca-cert-file "$dir/cert.pem" \
	--tls-auth-clients no --aclfile "$dir/users.acl"
await redis-cli --tls --cacert "$dir/cert.pem" -p "$tls" --user sluice --pass secret --no-auth-warning ping
SSL_CERT_FILE=$dir/cert.pem suite "one Redis with TLS and a user" "rediss://sluice:secret@localhost:$tls"

nodes=()
for n in 1 2 3 4 5 6; do
	port=$(free_port)
	start "node$n" --port "$port" --cluster-enabled yes --cluster-config-file nodes.conf --cluster-node-timeout 5000
	await redis-cli -p "$port" ping
	nodes+=("127.0.0.1:$port")
done
redis-cli --cluster create "${nodes[@]}" --cluster-replicas 1 --cluster-yes >"$dir/create.log"
await bash -c "redis-cli -p ${nodes[0]##*:} cluster info | grep -q cluster_state:ok"
suite "a cluster of six" "redis+cluster://$(IFS=,; echo "${nodes[*]}")"

primary=$(free_port)
start primary --port "$primary"
replica=$(free_port)
start replica --port "$replica" --replicaof "127.0.0.1 $primary"
sentinels=()
for n in 1 2 3; do
	port=$(free_port)
	printf 'bind 127.0.0.1\nport %s\ndir %s\nsentinel monitor exports 127.0.0.1 %s 2\nsentinel down-after-milliseconds exports 2000\nsentinel failover-timeout exports 5000\n' \
		"$port" "$dir" "$primary" >"$dir/sentinel$n.conf"
	redis-sentinel "$dir/sentinel$n.conf" >"$dir/sentinel$n.log" 2>&1 &
	pids+=($!)
	await redis-cli -p "$port" ping
	sentinels+=("127.0.0.1:$port")
done
await bash -c "redis-cli -p ${sentinels[0]##*:} sentinel replicas exports | grep -q 127.0.0.1"
suite "three sentinels" "redis+sentinel://$(IFS=,; echo "${sentinels[*]}")/exports"

step "all kinds of Redis passed"
