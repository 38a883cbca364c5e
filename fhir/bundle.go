package fhir

import "fmt"

// Link is one link of a Bundle.
type Link struct {
	Relation, URL string
}

// Entry is one entry of a Bundle.
type Entry struct {
	FullURL  string
	Mode     string // search.mode; "" when absent
	Resource []byte // as on the page, valid until the next call of Next; nil when absent or when Err is set
	Err      error  // *ResourceError when the resource was too large to hold
}

// Bundle is what a Bundle says besides its entries.
type Bundle struct {
	Type  string
	Total *int64
	Links []Link
}

// Link returns the URL of the first link with that relation, "" when there is none.
func (b Bundle) Link(rel string) string {
	for _, l := range b.Links {
		if l.Relation == rel {
			return l.URL
		}
	}
	return ""
}

// NotBundleError says that the body is JSON of another kind or no JSON object at all, for instance a login page.
type NotBundleError struct {
	ResourceType string            // "" when unknown
	Outcome      *OperationOutcome // the body, when it is an OperationOutcome
}

func (e *NotBundleError) Error() string {
	switch {
	case e.ResourceType == "":
		return "body is no FHIR resource"
	case !ValidType(e.ResourceType):
		return "body is no Bundle but another kind of JSON"
	}
	return fmt.Sprintf("body is no Bundle but a resource of type %s", e.ResourceType)
}
