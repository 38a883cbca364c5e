package upstream_test

import (
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sluice/fhir"
)

// A Retry-After is one shared pause: after the 429 nobody sends until it is over (P41).
func TestRetryAfterPausesEverybody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		began := time.Now()
		c := serveBubble(t, func(w http.ResponseWriter, r *http.Request) {
			if asked.Add(1) == 1 {
				w.Header().Set("Retry-After", "7")
				w.WriteHeader(http.StatusTooManyRequests)
				return
			}
			if early := 7*time.Second - time.Since(began); early > 0 {
				t.Errorf("asked %s before the pause was over", early)
			}
			w.Header().Set("Content-Type", fhir.MediaType)
			_, _ = w.Write([]byte(`{"resourceType":"Bundle","type":"searchset"}`))
		})
		done := make(chan error, 2)
		ask := func() {
			_, err := c.Page(t.Context(), observations(t), "", &discard{})
			done <- err
		}
		go ask()
		synctest.Wait()
		go ask()
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if got := asked.Load(); got != 3 {
			t.Errorf("%d requests, want 3: the refused one, its repeat, the other's", got)
		}
	})
}

type discard struct{}

func (*discard) Reset()                 {}
func (*discard) Entry(fhir.Entry) error { return nil }
