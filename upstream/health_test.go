package upstream_test

import (
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sluice/fhir"
	"sluice/upstream"
)

func search(t *testing.T, typ, patient string) fhir.Query {
	t.Helper()
	q, err := fhir.PatientQuery(typ, "patient", patient)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// Q35: a type that is always answered with 500 costs its own searches and no others: the breaker stays closed, because what was
// answered well before still is.
func TestQ35_OneQuestionFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := serveBubble(t, func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/Condition") {
				reply(w, http.StatusInternalServerError, "{}")
				return
			}
			reply(w, http.StatusOK, page(""))
		})
		if _, err := c.Page(t.Context(), search(t, "Encounter", "p1"), "", &discard{}); err != nil {
			t.Fatal(err)
		}
		for range 100 {
			_, err := c.Page(t.Context(), search(t, "Condition", "p1").Once(), "", &discard{})
			var e *upstream.Error
			if !errors.As(err, &e) || e.Status() != http.StatusInternalServerError {
				t.Fatalf("got %v, want the 500", err)
			}
			if after, waits := e.Unavailable(); waits {
				t.Fatalf("waits for %v, although the upstream is up", after)
			}
		}
		if s := c.Stats(); s.Breaker != "closed" {
			t.Errorf("the breaker is %s", s.Breaker)
		}
	})
}

// A server that still serves /metadata but answers all searches with 500 is down: no search is given up, and one question at a time
// finds out when it is well again.
func TestR8_SearchesFailMetadataDoesNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var broken atomic.Bool
		var asked atomic.Int64
		c := serveBubble(t, func(w http.ResponseWriter, r *http.Request) {
			asked.Add(1)
			if broken.Load() && !strings.HasSuffix(r.URL.Path, "/metadata") {
				reply(w, http.StatusInternalServerError, "{}")
				return
			}
			reply(w, http.StatusOK, page(""))
		})
		if _, err := c.Page(t.Context(), search(t, "Encounter", "p1"), "", &discard{}); err != nil {
			t.Fatal(err)
		}
		broken.Store(true)
		time.Sleep(time.Minute)
		asked.Store(0)
		began := time.Now()
		for time.Since(began) < 2*time.Hour {
			_, err := c.Page(t.Context(), search(t, "Condition", "p2"), "", &discard{})
			var e *upstream.Error
			if !errors.As(err, &e) {
				t.Fatalf("got %v", err)
			}
			after, waits := e.Unavailable()
			if !waits {
				t.Fatalf("the search was given up: %v", err)
			}
			time.Sleep(after)
		}
		t.Logf("%d requests in two hours", asked.Load())
		if n := asked.Load(); n > 2*3600/5 {
			t.Errorf("%d requests in two hours to a server that is down", n)
		}
		broken.Store(false)
		time.Sleep(11 * time.Minute)
		if _, err := c.Page(t.Context(), search(t, "Condition", "p2"), "", &discard{}); err != nil {
			t.Errorf("after the repair: %v", err)
		}
	})
}
