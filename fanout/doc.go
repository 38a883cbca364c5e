// Package fanout turns one accepted export into files: it plans (which patients, which searches), walks the upstream chunk by
// chunk, writes rows into parts, publishes them by commit records, follows references, and ends with the manifest.
//
// The promise it keeps is that a finished manifest lists every matching row once, whatever dies in between. Three rules carry it:
// a part exists only when a commit record names it; a commit record is created only if absent, so one writer wins each segment and
// all others adopt what it wrote; and who takes a chunk over reads its commit records first and goes on where they end. Leases in
// Redis (package jobs) only save work: were they all to fail, rows would be read twice but never written twice.
//
// The package asks a Source for pages and knows nothing of HTTP; it never meets package gateway.
package fanout
