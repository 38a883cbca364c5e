#!/usr/bin/env bash
# Simulates so many seeds (2,000 unless told), in as many processes as there are cores. A failing seed comes back with
#   go test ./fanout -run E30 -sim.from SEED -sim.seeds 1
set -euo pipefail
cd "$(dirname "$0")/.."
seeds=${1:-2000}
cores=$(getconf _NPROCESSORS_ONLN)
each=$(((seeds + cores - 1) / cores))
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
go test -c -o "$dir/sim" ./fanout
pids=()
for n in $(seq 0 $((cores - 1))); do
	"$dir/sim" -test.run E30 -test.v -test.timeout 3h -test.failfast -sim.from $((n * each + 1)) -sim.seeds "$each" >"$dir/$n.log" 2>&1 &
	pids+=($!)
done
failed=0
for n in "${!pids[@]}"; do
	if ! wait "${pids[$n]}"; then
		failed=1
		grep -vE '^=== |^    --- PASS' "$dir/$n.log" | head -n 200
	fi
	grep -h ' seeds: ' "$dir/$n.log" || true
done
exit "$failed"
