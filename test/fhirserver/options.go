package fhirserver

import (
	"errors"
	"strings"
	"time"
)

// Options sets a Server up. The zero value serves the data as they were loaded.
type Options struct {
	// Base is the path of the FHIR base, default "/fhir".
	Base string
	// PublicBase is the absolute URL of the base in links, fullUrl and absolute
	// references, without a slash at the end. Empty: scheme and host of the first
	// request, then kept, so that served bytes never change.
	PublicBase string
	// DefaultCount is the page size without _count, default 20.
	DefaultCount int
	// MaxCount caps _count, default 1000.
	MaxCount int
	// Patients multiplies or cuts the data to this many patients; 0 leaves them.
	Patients int
	// Extras adds rows that are awkward on purpose: rows of two patients,
	// Provenance, absolute and versioned references, odd numbers and strings.
	Extras bool
	// Dangling adds a row that refers to a Practitioner who is not there.
	Dangling bool
	// Clock gives the Date header and lastUpdated of new versions, default time.Now.
	Clock func() time.Time
	// Pretty indents every answer; a client's _pretty=true does it for one answer.
	Pretty bool
	// Gzip compresses answers for clients that accept it.
	Gzip bool
	// Delay is waited before each answer.
	Delay time.Duration
	// SearchTTL is how long a stored search can be paged, default 1 hour.
	SearchTTL time.Duration
	// MaxSearches bounds the stored searches; the one not used longest goes first. Default 10,000.
	MaxSearches int
	// ReuseSearch answers an identical search from the stored one for this long,
	// stale as it may be. HAPI does so for 60 s; default 0, never.
	ReuseSearch time.Duration
	// NoHistory takes the history interactions away.
	NoHistory bool
	// FollowDepth is how far Export follows references, default 3.
	FollowDepth int
	// LogSize is how many requests Counts.Log keeps, default 4096.
	LogSize int
	// Faults is asked for each request; nil: no faults.
	Faults Faults
}

func (o Options) withDefaults() (Options, error) {
	if o.Base == "" {
		o.Base = "/fhir"
	}
	if o.DefaultCount == 0 {
		o.DefaultCount = 20
	}
	if o.MaxCount == 0 {
		o.MaxCount = 1000
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.SearchTTL == 0 {
		o.SearchTTL = time.Hour
	}
	if o.MaxSearches == 0 {
		o.MaxSearches = 10_000
	}
	if o.FollowDepth == 0 {
		o.FollowDepth = 3
	}
	if o.LogSize == 0 {
		o.LogSize = 4096
	}
	switch {
	case !strings.HasPrefix(o.Base, "/") || strings.HasSuffix(o.Base, "/"):
		return o, errors.New("fhirserver: Base must start with a slash and not end with one")
	case strings.HasSuffix(o.PublicBase, "/"):
		return o, errors.New("fhirserver: PublicBase must not end with a slash")
	case o.DefaultCount < 1 || o.MaxCount < o.DefaultCount:
		return o, errors.New("fhirserver: DefaultCount must be between 1 and MaxCount")
	case o.Patients < 0 || o.MaxSearches < 1 || o.LogSize < 1:
		return o, errors.New("fhirserver: Patients, MaxSearches and LogSize must not be negative")
	}
	return o, nil
}
