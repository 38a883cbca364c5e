package storage

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
)

// probers is how many writers a probe sets on one key at once.
const probers = 4

// ProbeIfAbsent finds out by writing whether a store holds what Create promises of IfAbsent: of two writers one after another, and of
// several at once, the first one wins. It leaves nothing behind. An error says that the store could not be asked.
func ProbeIfAbsent(ctx context.Context, s Store) (holds bool, err error) {
	dir := "system/probe/" + rand.Text() + "/"
	one, many := dir+"one", dir+"many"
	defer func() {
		clean := context.WithoutCancel(ctx)
		err = errors.Join(err, s.Delete(clean, one), s.Delete(clean, many))
	}()
	if err := PutIfAbsent(ctx, s, one, []byte("first"), "text/plain"); err != nil {
		return false, err
	}
	switch err := PutIfAbsent(ctx, s, one, []byte("second"), "text/plain"); {
	case err == nil:
		return false, nil
	case !errors.Is(err, ErrExist):
		return false, err
	}
	body, err := ReadAll(ctx, s, one, 100)
	if err != nil || string(body) != "first" {
		return false, err
	}

	errs := make([]error, probers)
	var wg sync.WaitGroup
	for n := range errs {
		wg.Go(func() { errs[n] = PutIfAbsent(ctx, s, many, []byte(fmt.Sprint(n)), "text/plain") })
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		switch {
		case err == nil:
			won++
		case !errors.Is(err, ErrExist):
			return false, err
		}
	}
	return won == 1, nil
}
