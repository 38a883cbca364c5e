package gateway

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"sluice/bulkdata"
	"sluice/fhir"
)

// mergedFor is how long a merged statement is used: the exportable types may change without the upstream's statement changing.
const mergedFor = time.Minute

// merged holds the last CapabilityStatement that was made. The upstream's can be megabytes.
type merged struct {
	mu   sync.Mutex
	of   *fhir.Capability
	at   time.Time
	body []byte
}

// statement is the upstream's CapabilityStatement with ours merged in (DISC-08).
func (g *Gateway) statement(ctx context.Context) ([]byte, error) {
	capability, err := g.o.Upstream.Capability(ctx)
	if err != nil {
		return nil, fmt.Errorf("capability of the upstream: %w", err)
	}
	m := &g.metadata
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.of == capability && time.Since(m.at) < mergedFor {
		return m.body, nil
	}
	var exported []string
	for _, level := range g.o.Levels {
		types, err := g.o.Types(ctx, level)
		if err != nil {
			return nil, fmt.Errorf("types of level %s: %w", level, err)
		}
		exported = append(exported, types...)
	}
	slices.Sort(exported)
	body, err := mergeCapability(capability.Raw, ours{
		base: g.base, upstream: g.bases, tokenURL: g.o.TokenURL, levels: g.o.Levels, exported: exported, proxy: g.o.ProxyMode,
	})
	if err != nil {
		return nil, fmt.Errorf("merge the CapabilityStatement: %w", err)
	}
	m.of, m.at, m.body = capability, time.Now(), body
	return body, nil
}

// ours is what we add to the upstream's statement, and what we know of it.
type ours struct {
	base     string   // the public base, without a slash at the end
	upstream []string // the upstream's
	tokenURL string
	levels   []bulkdata.Level
	exported []string // types of any level, sorted
	proxy    string
}

func (o ours) offers(level bulkdata.Level) bool { return slices.Contains(o.levels, level) }
