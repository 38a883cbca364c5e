#!/usr/bin/env bash
# Switches off one rule of the engine at a time, in a copy of the tree, and checks that the tests notice: a test that cannot fail is none.
# With an argument: only the mutants whose name contains it.
set -euo pipefail
cd "$(dirname "$0")/.."
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
git ls-files -z | xargs -0 tar cf - | tar xf - -C "$dir"
cd "$dir"
caught=0 missed=() only=${1:-}

# mutant NAME FILE OLD NEW TEST…: the line that holds OLD gets NEW in its place; the test must fail.
mutant() {
	local name=$1 file=$2 old=$3 new=$4
	shift 4
	[[ $name == *"$only"* ]] || return 0
	cp "$file" "$dir/original"
	OLD=$old NEW=$new perl -0pi -e 's/\Q$ENV{OLD}\E/$ENV{NEW}/ or die "no such line\n"' "$file"
	if ! go vet "${1%% *}" >"$dir/vet.log" 2>&1; then
		cat "$dir/vet.log" >&2
		echo "mutant does not compile: $name" >&2
		exit 1
	fi
	# shellcheck disable=SC2086
	if go test $* -count=1 -timeout 300s >"$dir/test.log" 2>&1; then
		missed+=("$name")
		echo "MISSED  $name"
	else
		caught=$((caught + 1))
		echo "caught  $name"
	fi
	cp "$dir/original" "$file"
}

sim='./fanout -run E30 -sim.from 1 -sim.seeds 300 -failfast'

mutant 'fence: a stale token counts' jobs/lua/job/lib.lua \
	"and redis.call('HGET', i, item .. ':t') == token" "and true" './jobs -run TestSuite'
mutant 'fence: a lease of another epoch counts' jobs/lua/job/lib.lua \
	"return redis.call('HGET', s, 'epoch') == epoch" "return true" './jobs -run TestSuite'
mutant 'create-if-absent: a commit record replaces another' export/write.go \
	'err = storage.PutIfAbsent(ctx, s, key, body, "application/json")' \
	'err = storage.Put(ctx, s, key, body, storage.CreateOptions{ContentType: "application/json"})' "$sim"
mutant 'dedup: a row may come twice in a chain' fanout/rows.go \
	'if _, dup := p.r.seen[id]; dup {' 'if _, dup := p.r.seen[id]; dup && false {' './fanout -run E18'
mutant 'dedup: a row of two patients is written for both' fanout/owner.go \
	'return own == first, shared, nil' 'return own >= 0 || first >= 0, shared, nil' './fanout -run TestLevels'
mutant 'resume: a chunk begins again behind its commits' fanout/chunk.go \
	'r.pos = *c.Continue' '_ = c.Continue' './fanout -run E5'
mutant 'resume: ids of committed rows are forgotten' fanout/chunk.go \
	'r.seen[rowID(b[:16])] = b[16] == 1' '_ = b' "$sim"
mutant 'restart: how far a chain had come is forgotten' fanout/chain.go \
	'r.pos.Far = max(r.pos.Far, r.pos.Page)' 'r.pos.Far = 0' './fanout -run E17'
mutant 'checkpoint: trouble of the store is a failed search' fanout/chain.go \
	'return &ownError{err} // the store' 'return err // the store' "$sim"
mutant 'split: nobody is told of the child' fanout/split.go \
	'if err := r.e.Jobs.Split(ctx, r.lease, items); err != nil {' 'if err := error(nil); err != nil {' './fanout -run TestSplit$'
mutant 'restore: children are not in the snapshot' fanout/reconcile.go \
	'snap.Children[item] = false' '_ = item' './fanout -run OpenChildren'
mutant 'end: an open chunk is not noticed' fanout/finish.go \
	'if !c.done[export.PlanChunk(n)] {' 'if false {' './fanout -run BelievesTooMuch'
mutant 'orphans: nothing is swept' fanout/sweep.go \
	'if named[info.Key] ||' 'if len(named) >= 0 ||' "$sim"
mutant 'foreign rows are kept' fanout/rows.go \
	'if !p.asked(head, line) {' 'if false {' './fanout -run E19'
mutant 'poison: a panic that is no page'"'"'s is tried for ever' fanout/poison.go \
	'culprit: l.Panics >= poisonPanics' 'culprit: l.Panics < 0' './fanout -run E27'
mutant 'rate: a lost bucket starts full' jobs/lua/rate.lua \
	'tat = now + horizon + tolerance' 'tat = now - tolerance' './jobs -run E12'
mutant 'probe: everybody may try' jobs/lua/rate.lua \
	"if redis.call('SET', probe, owner, 'NX', 'PX', 60000) then" "if redis.call('SET', probe, owner, 'PX', 60000) then" './jobs -run E26'

echo "$caught mutants caught, ${#missed[@]} missed"
[ ${#missed[@]} = 0 ]
