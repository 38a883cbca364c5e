package telemetry

import "slices"

// keys are the attributes that may be logged. What is added here must not be able to carry a patient's data: no search values, no resource
// contents, no patient or group ids, no URL queries. test/arch checks that the code logs no others.
var keys = map[string]bool{
	// who and what
	"job": true, "client": true, "request": true, "item": true, "chunk": true, "seq": true, "wave": true, "owner": true, "left": true, "given": true, "attempt": true,
	"type": true, "types": true, "level": true, "state": true, "reason": true, "kind": true,
	// HTTP
	"method": true, "route": true, "status": true, "code": true, "op": true, "remote": true, "listener": true,
	// numbers
	"patients": true, "rows": true, "resources": true, "chunks": true, "parts": true, "files": true, "bytes": true, "sent": true, "errors": true,
	"requests": true, "objects": true, "jobs": true, "workers": true, "count": true, "pages": true, "retries": true, "panics": true, "skipped": true, "done": true, "total": true,
	// time
	"ms": true, "seconds": true, "took": true, "duration": true, "until": true, "after": true, "since": true, "expires": true, "skew": true,
	// the installation
	"version": true, "role": true, "address": true, "url": true, "profile": true, "dir": true, "file": true, "path": true, "key": true, "name": true,
	"storage": true, "redis": true, "setting": true, "rate": true, "concurrency": true, "software": true, "signal": true, "pid": true, "kid": true, "alg": true,
	// what went wrong
	"error": true, "err": true, "stack": true, "hint": true, "detail": true, "problem": true,
}

// Keys returns the keys that may be logged, sorted.
func Keys() []string {
	out := make([]string, 0, len(keys))
	for k := range keys {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
