// Package audit keeps the durable record of what happened and who got what: one JSON line an event, in segments of one UTC
// day, chained by the hash of the line before.
//
// Write returns when its event is on disk, so "no export or download without a durable audit record" is: write first, answer
// then. Many writers share one fsync. Verify finds the first line that was changed, removed, added or moved. Taking lines off
// the end leaves a shorter chain that is whole in itself: to find that too, keep a Head elsewhere and give it to Inspect.
//
// The package knows nothing of HTTP, FHIR or exports. What is an event, and whether to go on when one cannot be written, is
// for its callers to say. Events never carry tokens, names of patients, resource contents or URLs with a query: keeping those out is the
// callers' duty as well; here values are only bounded and freed of control characters.
package audit
