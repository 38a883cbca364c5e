package upstream

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"sluice/fhir"
)

const (
	capabilityKept = 10 * time.Minute
	capabilityMax  = 32 << 20 // HAPI's is 1.5 MB
)

// capabilityCache holds the last CapabilityStatement. The lock is held while one caller fetches; the others wait for it.
type capabilityCache struct {
	lock  chan struct{}
	last  *fhir.Capability
	until time.Time
}

func newCapabilityCache() capabilityCache { return capabilityCache{lock: make(chan struct{}, 1)} }

// Capability returns what the upstream's CapabilityStatement says, at most ten minutes old, or older while a new one cannot be had.
// A server that does not speak FHIR 4.0 or 4.3 is an error. The result is shared: do not change it.
func (c *Client) Capability(ctx context.Context) (*fhir.Capability, error) {
	m := &c.meta
	select {
	case m.lock <- struct{}{}:
		defer func() { <-m.lock }()
	case <-ctx.Done():
		return nil, fmt.Errorf("upstream: read CapabilityStatement: %w", context.Cause(ctx))
	}
	if m.last != nil && time.Now().Before(m.until) {
		return m.last, nil
	}
	fresh, err := c.fetchCapability(ctx)
	switch {
	case err == nil:
		m.last, m.until = fresh, time.Now().Add(capabilityKept)
	case m.last == nil || ctx.Err() != nil:
		return nil, err
	default:
		m.until = time.Now().Add(time.Minute)
		c.o.Log.WarnContext(ctx, "CapabilityStatement cannot be refreshed, the old one is used", "error", err)
	}
	return m.last, nil
}

func (c *Client) fetchCapability(ctx context.Context) (*fhir.Capability, error) {
	const op = "read CapabilityStatement"
	raw, err := c.get(ctx, op, "metadata", "CapabilityStatement", capabilityMax)
	if err != nil {
		return nil, err
	}
	fresh, err := fhir.ParseCapability(raw)
	if err != nil {
		return nil, &Error{Op: op, code: "exception", reason: "CapabilityStatement cannot be understood", kind: permanent, cause: err}
	}
	if v := fresh.FHIRVersion; !strings.HasPrefix(v, "4.0.") && !strings.HasPrefix(v, "4.3.") {
		return nil, &Error{Op: op, code: "not-supported", kind: permanent, reason: fmt.Sprintf("FHIR version %s is not 4.0 or 4.3", shown(v)),
			hint: "Sluice speaks FHIR R4 and R4B; many servers have another base for each version"}
	}
	return fresh, nil
}

// shown returns a version for a person to read, whatever the server wrote there.
func shown(v string) string {
	if v == "" {
		return "(none)"
	}
	if len(v) > 20 || strings.Trim(v, "0123456789.-abcdefghijklmnopqrstuvwxyz") != "" {
		return "(unreadable)"
	}
	return v
}

// notResource says that a body is another resource than the one asked for.
func notResource(typ string, raw []byte) error {
	e := &fhir.NotBundleError{ResourceType: typ}
	if typ == "OperationOutcome" {
		var o fhir.OperationOutcome
		if json.Unmarshal(raw, &o) == nil {
			e.Outcome = &o
		}
	}
	return e
}
