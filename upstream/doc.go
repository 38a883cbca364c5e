// Package upstream talks to the FHIR server behind Sluice, politely. It is the only package that sends requests there.
//
// A Client reads one page of a search, one resource, or the CapabilityStatement, and does everything that a polite and distrustful
// client must: the configured rate and concurrency, one shared pause for everybody when the server says Retry-After, full-jitter
// retries, a breaker, next links that are re-anchored on the configured base or refused, redirects that never leave it, bodies that
// are streamed and bounded. It also plans how each type is asked for, from the CapabilityStatement and a vendor profile.
//
// What came is judged only as far as it is a page: whether the rows are the right ones, whether some are missing, and whether a
// chain runs in circles is for the caller. Signing requests is for the transport it is given.
package upstream
