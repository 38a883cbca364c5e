package pull

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"
	"unicode"

	"sluice/bulkdata"
	"sluice/fhir"
)

// maxAnswer caps what is read of an answer that is no file.
const maxAnswer = 1 << 20

// Error is an answer of the server that is no success.
type Error struct {
	Status  int
	Outcome *fhir.OperationOutcome // nil: the answer held none
	wait    time.Duration
	waitSet bool
}

// Error says the status and what the OperationOutcome says.
func (e *Error) Error() string {
	text := strings.TrimSpace(fmt.Sprintf("%d %s", e.Status, http.StatusText(e.Status)))
	if e.Outcome == nil {
		return text
	}
	for i, is := range e.Outcome.Issue {
		if i == 5 {
			return text + fmt.Sprintf("; and %d more issues", len(e.Outcome.Issue)-i)
		}
		text += ": " + printable(issueText(is), 400)
	}
	return text
}

// TokenError is the refusal of a token endpoint (RFC 6749, 5.2).
type TokenError struct {
	Status            int
	Code, Description string
}

func (e *TokenError) Error() string {
	text := fmt.Sprintf("the token endpoint answered %d", e.Status)
	for _, s := range []string{e.Code, e.Description} {
		if s != "" {
			text += ": " + printable(s, 200)
		}
	}
	return text
}

// permanent marks an error that another try does not cure.
type permanent struct{ error }

func (p permanent) Unwrap() error { return p.error }

func permanentf(format string, args ...any) error { return permanent{fmt.Errorf(format, args...)} }

// issueText is what an issue says to people, or its code.
func issueText(is fhir.Issue) string {
	switch {
	case is.Diagnostics != "":
		return is.Diagnostics
	case is.Details != nil && is.Details.Text != "":
		return is.Details.Text
	case is.Details != nil && len(is.Details.Coding) > 0 && is.Details.Coding[0].Display != "":
		return is.Details.Coding[0].Display
	}
	return is.Code
}

// printable makes one short line of a text from outside, safe for a terminal.
func printable(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return ' '
		}
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	if r := []rune(s); len(r) > most {
		s = string(r[:most]) + "…"
	}
	return strings.TrimSpace(s)
}

// answered makes an Error of an answer and closes it.
func answered(res *http.Response) *Error {
	defer res.Body.Close()
	e := &Error{Status: res.StatusCode}
	var out fhir.OperationOutcome
	if json.NewDecoder(io.LimitReader(res.Body, maxAnswer)).Decode(&out) == nil && out.ResourceType == "OperationOutcome" {
		e.Outcome = &out
	}
	e.wait, e.waitSet = retryAfter(res.Header)
	return e
}

// retryAfter reads Retry-After in both its forms. A date is taken against the server's own clock.
func retryAfter(h http.Header) (time.Duration, bool) {
	now, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		now = time.Now()
	}
	wait, ok := bulkdata.ParseRetryAfter(h.Get("Retry-After"), now)
	return min(wait, time.Hour), ok
}

// bare takes the URL out of a transport's error: its query is nobody's business.
func bare(err error) error {
	if ue, ok := errors.AsType[*url.Error](err); ok {
		return ue.Err
	}
	return err
}

// temporary tells failures that may pass by themselves: the network, and a server that says so.
func temporary(err error) bool {
	if e, ok := errors.AsType[*Error](err); ok {
		return busy(e.Status) || e.Status >= 500 && passing(e.Outcome)
	}
	if e, ok := errors.AsType[*TokenError](err); ok {
		return e.Status >= 500 || e.Status == http.StatusTooManyRequests
	}
	_, marked := errors.AsType[permanent](err)
	_, disk := errors.AsType[*fs.PathError](err)
	_, link := errors.AsType[*os.LinkError](err)
	_, cert := errors.AsType[*tls.CertificateVerificationError](err)
	return !marked && !disk && !link && !cert
}

func busy(status int) bool {
	return slices.Contains([]int{http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout}, status)
}

// passing: Bulk Data Access, Status Request: the transient family of issue codes. "exception" belongs to it, too, but is also how
// servers say that the whole export failed; what stays forever is no failure to wait for.
func passing(o *fhir.OperationOutcome) bool {
	if o == nil {
		return false
	}
	return slices.ContainsFunc(o.Issue, func(is fhir.Issue) bool {
		return slices.Contains([]string{"transient", "timeout", "throttled", "lock-error", "no-store", "incomplete"}, is.Code)
	})
}

// isStatus reports whether err is an answer with one of these statuses.
func isStatus(err error, statuses ...int) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && slices.Contains(statuses, e.Status)
}
