package fanout

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// An idSet tells the same as a map.
func TestIDSet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s idSet
		truth := map[int]bool{}
		n := rapid.IntRange(1, 30_000).Draw(t, "ids")
		step := rapid.IntRange(1, 40_000).Draw(t, "step")
		for i := range n {
			id := i * step % 25_000
			if got := s.add(hashID(fmt.Sprint(id))); got == truth[id] {
				t.Fatalf("add %d: new %t, it was there: %t", id, got, truth[id])
			}
			truth[id] = true
		}
	})
}
