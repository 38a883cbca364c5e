package fhir

import (
	_ "embed"
	"slices"
	"strings"
	"sync"
)

//go:embed data/types.txt
var typesText string

// typeNames is the list of the concrete R4 resource types, sorted.
var typeNames = sync.OnceValue(func() []string { return strings.Fields(typesText) })

// ValidType reports whether s is a concrete FHIR R4 resource type.
func ValidType(s string) bool {
	_, ok := slices.BinarySearch(typeNames(), s)
	return ok
}

// Types returns all concrete FHIR R4 resource types, sorted. The caller owns the slice.
func Types() []string { return slices.Clone(typeNames()) }
