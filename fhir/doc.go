// Package fhir holds the few FHIR R4 wire types that an export needs, on raw JSON: a streaming Bundle reader, Peek, the
// OperationOutcome, the NDJSON line, references, the CapabilityStatement, the patient compartment and searches that cannot be
// unbound.
//
// A resource passes through as bytes: what is not asked about is not decoded, so decimals keep their digits, the order of keys stays
// and unknown elements survive. The package sends no request and knows nothing of exports, storage or HTTP; errors never carry what
// a resource says.
package fhir
