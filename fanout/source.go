package fanout

import (
	"context"
	"errors"
	"net/http"
	"time"

	"sluice/audit"
	"sluice/fhir"
)

// Source is the upstream as the engine needs it. Its methods may be called by many goroutines at once; each waits for the
// upstream's rate and concurrency by itself, and retries by itself.
type Source interface {
	// Plan tells how each type is asked for at a level ("system", "patient", "group"). A row without Param is scanned whole at
	// system level and followed by reference at the others.
	Plan(ctx context.Context, level string) ([]fhir.TypeSearch, error)
	// Page reads one page of q into sink: the first one when next is "", else the page that next leads to.
	Page(ctx context.Context, q fhir.Query, next string, sink fhir.PageSink) (fhir.Page, error)
	// Read returns one resource as the upstream gave it.
	Read(ctx context.Context, ref fhir.Reference) ([]byte, error)
	// Clock returns the upstream's own time, cut to whole seconds.
	Clock(ctx context.Context) (time.Time, error)
	// Bases returns the bases whose absolute references are the upstream's own.
	Bases() []string
}

// Auditor takes the events of an export's life; Write returns when the event is durable.
type Auditor interface {
	Write(ctx context.Context, e audit.Event) error
}

// sourceError is what the engine asks of an error that a Source returns.
type sourceError interface {
	error
	// Status is the HTTP status of the answer, 0 when there was none.
	Status() int
	// Code is the OperationOutcome issue code that names the reason.
	Code() string
	// Expired tells that the next link has died: the search must begin again.
	Expired() bool
	// Permanent tells that the same question would have the same answer.
	Permanent() bool
	// Unavailable tells that the upstream as a whole cannot be asked now, and when to ask again: the work is put back and this was
	// no attempt.
	Unavailable() (time.Duration, bool)
}

// asSourceError returns what a Source says of err; nil when err does not come from one.
func asSourceError(err error) sourceError {
	var se sourceError
	if errors.As(err, &se) {
		return se
	}
	return nil
}

// expired tells that err means: begin this search again.
func expired(err error) bool {
	se := asSourceError(err)
	return se != nil && se.Expired()
}

// unavailable tells whether err means that the upstream cannot be asked now, and how long to wait.
func unavailable(err error) (time.Duration, bool) {
	if se := asSourceError(err); se != nil {
		return se.Unavailable()
	}
	return 0, false
}

// refused tells that the upstream answered and would answer the same again: a type or parameter it does not serve us.
func refused(err error) bool {
	se := asSourceError(err)
	if se == nil {
		return false
	}
	switch s := se.Status(); s {
	case http.StatusUnauthorized, http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return false
	default:
		return s >= 400 && s < 500 || s == http.StatusNotImplemented
	}
}
