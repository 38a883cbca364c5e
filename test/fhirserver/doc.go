// Package fhirserver is a FHIR R4 server in memory, without $export: the kind of
// server Sluice stands in front of. Tests, the load bench and the demo use it as
// the upstream, and its oracles say what a correct export of it holds.
//
// It answers as a stock HAPI JPA server does: the same Bundles, links, headers,
// status codes and OperationOutcomes. What it knows of FHIR it knows from tables
// of its own; it imports nothing of the code it judges.
//
// Load, or New for the ten bundled synthetic patients, reads NDJSON, may multiply
// the patients and add special rows; ServeHTTP serves. Resources, Compartment and
// Export are the truth to compare an export with. Faults bends single answers.
// Counts tells what was asked for, and how often.
package fhirserver
