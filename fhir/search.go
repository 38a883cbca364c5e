package fhir

// Param is one search parameter with its value, neither escaped.
type Param struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// TypeSearch says how one type is asked for at one upstream: a row of the plan.
type TypeSearch struct {
	Type string `json:"type"`
	// Param is the parameter that takes the patient: "patient", "subject", …, "_id" for Patient; "" for a scan of the whole type
	// and for types that are followed by reference.
	Param string `json:"param,omitempty"`
	// Extra are required further parameters: one search an element; empty means one search without extras.
	Extra [][]Param `json:"extra,omitempty"`
	// Count is the _count to send; 0 means none.
	Count int `json:"count"`
	// Since is "lastUpdated" when a search by _lastUpdated works, "none" when all must be fetched and cut here.
	Since string `json:"since"`
	// RevInclude: _revinclude=Provenance:target is declared.
	RevInclude bool `json:"revinclude,omitempty"`
	// ByID: Type?_id=a,b,c may be used; else each is read alone.
	ByID bool `json:"byId,omitempty"`
}

// PageSink receives the entries of one page. Reset is called before each try of the page: forget what this page gave so far.
type PageSink interface {
	Reset()
	Entry(e Entry) error
}

// Page is what one page of a search says besides its entries.
type Page struct {
	Next    string // cursor for the next call; "" on the last page
	Self    string
	Total   *int64
	Entries int
	Dropped []string // names of parameters we sent that the self link shows missing
}
