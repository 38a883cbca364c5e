package bulkdata

import "sluice/fhir"

// Parse reads the query string of a kick-off by GET. It returns either a Request or an OperationOutcome with every problem found,
// for a 400 answer.
func Parse(level Level, groupID string, rawQuery string, prefer Prefer, offer Offer) (*Request, *fhir.OperationOutcome) {
	return nil, fhir.NewOutcome("error", "not-supported", "not written yet")
}
