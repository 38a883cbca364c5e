package fhirserver

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// What stands here are ready-made parts to build Faults of:
//
//	o.Faults = fhirserver.Any(
//		fhirserver.On(fhirserver.Fault{Status: 503}, fhirserver.ForType("Observation"), fhirserver.FirstTries(2)),
//		fhirserver.Required("CarePlan", "category"),
//	)

// Match says whether a fault is for a request.
type Match func(*Request) bool

// On serves f to the requests all matches hold for.
func On(f Fault, matches ...Match) Faults {
	return func(r *Request) *Fault {
		if slices.ContainsFunc(matches, func(m Match) bool { return !m(r) }) {
			return nil
		}
		return &f
	}
}

// Any serves the first fault that one of them has for a request.
func Any(faults ...Faults) Faults {
	return func(r *Request) *Fault {
		for _, f := range faults {
			if fault := f(r); fault != nil {
				return fault
			}
		}
		return nil
	}
}

// ForType matches requests for one of these types, pages included.
func ForType(types ...string) Match {
	return func(r *Request) bool { return slices.Contains(types, r.Type) }
}

// ForPatient matches searches and pages for this patient, alone or among others,
// and reads of the Patient itself.
func ForPatient(id string) Match {
	return func(r *Request) bool { return slices.Contains(r.Patients, id) || r.Type == "Patient" && r.ID == id }
}

// ForRoute matches these routes.
func ForRoute(routes ...string) Match {
	return func(r *Request) bool { return slices.Contains(routes, r.Route) }
}

// ForPage matches page n of a search, from 1.
func ForPage(n int) Match { return func(r *Request) bool { return r.Page == n } }

// FirstTries matches the first n times the same request is made.
func FirstTries(n int) Match { return func(r *Request) bool { return r.Try <= n } }

// EveryNth matches each nth request.
func EveryNth(n int64) Match { return func(r *Request) bool { return r.N%n == 0 } }

// HasParam matches requests with this parameter.
func HasParam(name string) Match { return func(r *Request) bool { return r.Query.Has(name) } }

// Once matches one request only: the first it is asked about, so put it last.
func Once() Match {
	var once sync.Once
	return func(*Request) bool {
		first := false
		once.Do(func() { first = true })
		return first
	}
}

// Required refuses searches of a type that lack all of these parameters, as strict
// US Core servers do: 400 with an issue of code required.
func Required(typ string, params ...string) Faults {
	return On(Refusal(http.StatusBadRequest, "required", "Must have "+strings.Join(params, " or ")),
		ForRoute(RouteSearch), ForType(typ),
		func(r *Request) bool { return !slices.ContainsFunc(params, r.Query.Has) })
}

// RefuseValue refuses searches whose parameter lists this value, as some servers
// do that know only a part of a value set.
func RefuseValue(typ, param, value string) Faults {
	return On(Refusal(http.StatusBadRequest, "value", "A value of "+param+" is not supported"),
		ForRoute(RouteSearch), ForType(typ), func(r *Request) bool {
			return slices.ContainsFunc(r.Query[param], func(have string) bool { return slices.Contains(splitValues(have), value) })
		})
}

// Refusal is a Fault that answers with an OperationOutcome.
func Refusal(status int, code, diagnostics string) Fault {
	return Fault{Name: code, Status: status, Body: outcome("error", code, diagnostics)}
}

// RateLimit answers 429 to more than n requests in each window of the clock.
// retryAfter is the header's value, "" for none.
func RateLimit(n int, window time.Duration, retryAfter string, clock func() time.Time) Faults {
	var mu sync.Mutex
	var current time.Time
	var used int
	refuse := Refusal(http.StatusTooManyRequests, "throttled", "Too many requests")
	refuse.Header = http.Header{}
	if retryAfter != "" {
		refuse.Header.Set("Retry-After", retryAfter)
	}
	return func(*Request) *Fault {
		mu.Lock()
		defer mu.Unlock()
		if now := clock().Truncate(window); !now.Equal(current) {
			current, used = now, 0
		}
		if used++; used > n {
			return &refuse
		}
		return nil
	}
}

// CapResults shows the first n rows of a search and then has no next link,
// without a word; total stays the true one.
func CapResults(n int) Fault {
	return Fault{Name: "cap results", Edit: func(p *Page) {
		total := int64(p.Matches)
		p.Total = &total
		if p.First+len(p.Entries) < n {
			return
		}
		p.Entries = p.Entries[:max(0, n-p.First)]
		p.Links = slices.DeleteFunc(p.Links, func(l Link) bool { return l.Relation == "next" })
	}}
}

// WithTotal puts a total on each page, as a function of the page.
func WithTotal(total func(p *Page) int64) Fault {
	return Fault{Name: "total", Edit: func(p *Page) {
		n := total(p)
		p.Total = &n
	}}
}

// WithOutcome adds an OperationOutcome to each page, with this search.mode ("" for none).
func WithOutcome(severity, code, mode string) Fault {
	return Fault{Name: "outcome entry", Edit: func(p *Page) {
		p.Entries = append(p.Entries, Entry{Resource: outcome(severity, code, "A note of the server"), Mode: mode})
	}}
}

// WithRow adds a row to each page as if it matched.
func WithRow(resource []byte) Fault {
	return Fault{Name: "extra row", Edit: func(p *Page) {
		p.Entries = append(p.Entries, Entry{Resource: resource, Mode: "match"})
	}}
}

// EditRows changes each row of each page; nil takes it away.
func EditRows(edit func(resource []byte) []byte) Fault {
	return Fault{Name: "edit rows", Edit: func(p *Page) {
		kept := p.Entries[:0]
		for _, e := range p.Entries {
			if e.Resource = edit(e.Resource); e.Resource != nil {
				kept = append(kept, e)
			}
		}
		p.Entries = kept
	}}
}

// NextAt moves the next link to another base; its query stays.
func NextAt(base string) Fault {
	return Fault{RewriteNext: func(next string) string {
		_, query, _ := strings.Cut(next, "?")
		return base + "?" + query
	}}
}

// NextRelative makes the next link relative to the host.
func NextRelative() Fault {
	return Fault{RewriteNext: func(next string) string {
		u, err := url.Parse(next)
		if err != nil {
			return next
		}
		return u.RequestURI()
	}}
}

// NextStuck lets the next link of every page lead to the page after the first, for ever.
func NextStuck() Fault {
	return Fault{Name: "next stuck", Edit: func(p *Page) {
		for i, l := range p.Links {
			u, err := url.Parse(l.URL)
			if l.Relation != "next" || err != nil {
				continue
			}
			q := u.Query()
			q.Set("_getpagesoffset", q.Get("_count"))
			u.RawQuery = q.Encode()
			p.Links[i].URL = u.String()
		}
	}}
}

// LoginPage is HTML with status 200, as proxies send it.
func LoginPage() Fault {
	return Fault{Name: "html", Status: http.StatusOK, Header: http.Header{"Content-Type": {"text/html"}}, Body: []byte("<html><body>Please log in</body></html>")}
}

// RetryAfter is a refusal with Retry-After in seconds.
func RetryAfter(status int, wait time.Duration) Fault {
	return Fault{Status: status, Header: http.Header{"Retry-After": {strconv.Itoa(int(wait / time.Second))}}}
}
