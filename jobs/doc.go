// Package jobs keeps the state of exports in Redis: which jobs there are, whose turn it is, who holds which piece of work, how
// far it has come, and how much a client may have at once.
//
// Redis is an index and not the truth: what was exported is in storage, and Restore rebuilds a job from there after Redis has lost
// it. Every change is one Lua script (one file each under lua/), so two workers never see half of a change; all times are those
// of Redis, so a worker's clock decides nothing. The keys of a job share one hash tag, those of the schedule another, and no
// script touches two tags. A worker's writes carry its epoch and its fencing token: who lost its lease is told ErrLeaseLost.
//
// What the pieces of work are is left to others: a stage ("plan", "wave1", "finish") and a chunk ("c17") are just names here.
package jobs
