package fhirserver

import (
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Faults decides what goes wrong with a request; nil means nothing. It runs on
// the request's goroutine with no lock held: it may call Put and Delete, so that
// data change in the middle of a crawl, and must be safe for concurrent use.
type Faults func(*Request) *Fault

// Request is what a fault may be decided by.
type Request struct {
	Method string
	Route  string // see the Route constants
	Type   string // resource type, of a page: of its search; "" for none
	ID     string // resource id of read, vread, history, update and delete
	// Patients are the patients a search is for: ids of its patient, subject or
	// (for Patient) _id parameter. A page has those of its search.
	Patients []string
	Page     int        // number of the page in its search, from 1; 0 when it is not a search
	Query    url.Values // parameters of the URL and of the form body
	Header   http.Header
	N        int64 // number of this request over all, from 1
	Try      int   // how often this very request was made, this one included, from 1
}

// Patient is the patient a search is for, "" for none or several.
func (r *Request) Patient() string {
	if len(r.Patients) == 1 {
		return r.Patients[0]
	}
	return ""
}

// Fault is one bent answer. Fields may be combined; the zero Fault changes nothing.
type Fault struct {
	// Name is how Counts.Faults counts it; "" takes the name of what it does.
	Name string
	// Delay is waited first, beside Options.Delay.
	Delay time.Duration
	// Hang never answers: it waits until the client goes away.
	Hang bool
	// Drop closes the connection without an answer.
	Drop bool
	// Status answers at once with this status, Header and Body. With a Body or
	// Write and no Status it is 200. A Body of nil with a Status is an OperationOutcome.
	Status int
	Header http.Header // set on any answer, also on one that is otherwise right
	Body   []byte
	// Write streams a body of any size instead of Body.
	Write func(w io.Writer) error
	// CutAfter closes the connection after this share of the body, 0 < CutAfter < 1.
	CutAfter float64
	// WholeLength announces the full Content-Length before a cut; else the body is chunked.
	WholeLength bool
	// BytesPerSecond dribbles the body out.
	BytesPerSecond int
	// Ignore names parameters the server acts as if they were never sent; self
	// shows them missing.
	Ignore []string
	// Count is the page size used, whatever was asked for.
	Count int
	// Overlap shows so many rows more on each page; the next page repeats them.
	Overlap int
	// Shuffle cuts the page out of another order of the rows each time.
	Shuffle bool
	// RewriteNext changes the next link; "" takes it away.
	RewriteNext func(next string) string
	// Edit changes a page of a search as it likes before it is written. No lock is held.
	Edit func(p *Page)
}

// Page is one searchset Bundle before it is written.
type Page struct {
	Type    string
	Number  int // from 1
	First   int // how many rows come before this page
	Matches int // rows of the whole search
	Total   *int64
	Links   []Link
	Entries []Entry
}

// Link is a link of a Bundle.
type Link struct{ Relation, URL string }

// Entry is an entry of a searchset Bundle.
type Entry struct {
	FullURL  string
	Resource []byte // compact JSON, written as it is
	Mode     string // "match", "include", "outcome"; "" leaves search out
	Search   []byte // written as it is in place of Mode, as {}
}

// name is what the fault is counted as.
func (f *Fault) name() string {
	switch {
	case f.Name != "":
		return f.Name
	case f.Hang:
		return "hang"
	case f.Drop:
		return "drop"
	case f.Status != 0:
		return "status " + strconv.Itoa(f.Status)
	case f.Body != nil || f.Write != nil:
		return "body"
	case f.CutAfter > 0:
		return "cut"
	case f.Edit != nil:
		return "edit"
	case f.RewriteNext != nil:
		return "next"
	case f.Count > 0:
		return "count"
	case f.Overlap > 0:
		return "overlap"
	case f.Shuffle:
		return "shuffle"
	case f.Ignore != nil:
		return "ignore"
	case f.BytesPerSecond > 0:
		return "slow"
	case f.Delay > 0:
		return "delay"
	case f.Header != nil:
		return "header"
	}
	return ""
}

// answer is what a fault says instead of the server.
func (f *Fault) answer() *answer {
	a := newAnswer(f.Status, f.Body)
	if a.status == 0 {
		a.status = http.StatusOK
	}
	if f.Body == nil && f.Write == nil {
		a.body = outcome("error", "processing", "HAPI-0389: "+http.StatusText(a.status))
	}
	return a
}
