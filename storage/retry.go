package storage

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// retries is how often an operation that may be repeated is tried.
const retries = 6

// Retry does an operation until it succeeds, gives an answer, or has failed often: only an *Error is worth another try. The operation
// must be one that may be repeated. Between tries it waits, 0.1 s at first and twice as long each time, half of it by chance; one
// that hung is tried once more only.
func Retry(ctx context.Context, op func() error) error {
	slow := 0
	for try := 0; ; try++ {
		err := op()
		if errors.Is(err, errSlow) {
			slow++
		}
		if trouble := (*Error)(nil); !errors.As(err, &trouble) || try+1 == retries || slow == 2 {
			return err
		}
		pause := 100 * time.Millisecond << try
		t := time.NewTimer(pause/2 + rand.N(pause/2))
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return err
		}
	}
}
