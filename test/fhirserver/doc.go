// Package fhirserver is a FHIR R4 server in memory, without $export: the kind of
// server Sluice stands in front of. Tests, the load bench and the demo use it as
// the upstream, and its oracles say what a correct export of it holds.
//
// It answers as a stock HAPI JPA server does: the same Bundles, links, headers,
// status codes and OperationOutcomes. What it knows of FHIR it knows from tables
// of its own; it imports nothing of the code it judges.
//
// New serves the ten bundled synthetic patients, Load any folder of NDJSON.
// Options.Patients multiplies or cuts them, always to the same rows:
//
//	s, err := fhirserver.New(fhirserver.Options{Patients: 500, Extras: true})
//	up := httptest.NewServer(s) // base URL: up.URL + "/fhir"
//
// Resources, Compartment and Export are the truth to compare an export with;
// Members says who is in a Group. Put, PutAt and Delete change data under way.
// Options.Faults bends single answers, On and Any build such faults from parts.
// Counts tells what was asked for, how often, and which faults were really served.
//
// Links, fullUrl and absolute references stand below Options.PublicBase, or, when
// that is empty, below the host of the first request.
package fhirserver
