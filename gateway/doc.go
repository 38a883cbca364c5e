// Package gateway is the HTTP face of Sluice: SMART discovery and the token endpoint, the CapabilityStatement, the kick-off, status and
// files of Bulk Data exports, the pass-through of everything else to the FHIR server behind us, and the operator's listener.
//
// It decides who may see what (owner, scopes, Groups), answers in the words of FHIR and OAuth, and writes the audit record before
// anything is given out. It does no exporting: a kick-off becomes a record in storage and an entry in jobs, and whoever works on it
// is found there. What a finished export is, it reads from storage; Redis is only asked how far a running one has come.
//
// The routes are in routes.go. Every request first passes front.go, which allows one spelling of a path and no other. This is the only
// package that imports echo, and only the handlers do: they turn a request into plain values and an answer into headers.
package gateway
