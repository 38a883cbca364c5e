package upstream

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"sluice/fhir"
)

// Error says why the upstream did not give what it was asked for. Its text holds no patient's data: no query, no id, nothing of the
// upstream's own words. Those are in Outcome.
type Error struct {
	// Op is what was asked: "search Observation".
	Op string
	// Outcome is the upstream's own explanation, nil when it gave none. It may hold patient data: never log it.
	Outcome *fhir.OperationOutcome

	status   int
	code     string
	reason   string // our words; "" for a plain HTTP status
	hint     string
	kind     kind
	wait     time.Duration // unavailable only
	tries    int           // how many attempts such a failure is worth; below 2 means none but this one
	attempts int           // made
	down     bool          // may mean that the upstream as a whole is down
	healthy  bool          // says nothing against the upstream's health: the breaker does not count it
	cause    error
}

type kind int

const (
	failed      kind = iota // may go away, but did not within the attempts
	permanent               // the same answer would come again
	expired                 // a next link that died
	unavailable             // the upstream as a whole
)

func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "upstream: %s: ", e.Op)
	if e.reason != "" {
		b.WriteString(e.reason)
	}
	if e.status != 0 {
		if e.reason != "" {
			b.WriteString(": ")
		}
		b.WriteString(strings.TrimSpace(fmt.Sprintf("%d %s", e.status, http.StatusText(e.status))))
	}
	if e.Outcome != nil && e.code != "" {
		fmt.Fprintf(&b, " (%s)", e.code)
	}
	if e.attempts > 1 {
		fmt.Fprintf(&b, " after %d attempts", e.attempts)
	}
	return b.String()
}

// Unwrap returns what lies below, for errors.Is only: its text is not ours.
func (e *Error) Unwrap() error { return e.cause }

// Status returns the HTTP status of the answer, 0 when there was none.
func (e *Error) Status() int { return e.status }

// Code returns the issue code of the upstream's OperationOutcome, or the nearest one: "timeout", "transient", "exception".
func (e *Error) Code() string { return e.code }

// Expired tells that a next link has died: begin the search again from its first page.
func (e *Error) Expired() bool { return e.kind == expired }

// Permanent tells that asking again would give the same answer.
func (e *Error) Permanent() bool { return e.kind == permanent }

// Unavailable tells that the upstream as a whole cannot be asked now, and when to try again. It says nothing about what was asked:
// put the work back, this was no attempt.
func (e *Error) Unavailable() (time.Duration, bool) { return e.wait, e.kind == unavailable }

// Hint tells the operator what to do about it, "" when there is nothing to say.
func (e *Error) Hint() string { return e.hint }

// issueCodes are the codes of http://hl7.org/fhir/issue-type in R4. Others are not believed, since they end up in logs.
var issueCodes = strings.Fields(`invalid structure required value invariant security login unknown expired forbidden suppressed
	processing not-supported duplicate multiple-matches not-found deleted too-long code-invalid extension too-costly
	business-rule conflict transient lock-error no-store exception timeout incomplete throttled informational`)

// outcomeCode returns the code of the worst issue of an outcome, "" when none is known.
func outcomeCode(o *fhir.OperationOutcome) string {
	if o == nil {
		return ""
	}
	for _, severity := range []string{"fatal", "error", "warning"} {
		for _, i := range o.Issue {
			if i.Severity == severity && slices.Contains(issueCodes, i.Code) {
				return i.Code
			}
		}
	}
	return ""
}
