// Command kill exports from a fake upstream while it kills Sluice with SIGKILL at random moments, and holds every line of what comes out
// against the truth.
//
//	go run ./test/kill -kills 20                      one process with embedded state
//	go run ./test/kill -kills 500 -replicas 4 -redis  four replicas that share a real redis-server and a folder
//
// A kill counts only when the store says, while all replicas stand still, that some and not all of an export is committed, and the
// process held a lease. It exits 0 when the kills were reached and nothing was lost, doubled or asked for more often than allowed.
package main
