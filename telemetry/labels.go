package telemetry

import (
	"regexp"
	"sync"
)

// maxWords bounds the values of one label: all R4 resource types fit.
const maxWords = 200

// labels keeps the number of series bounded, whatever callers give. The zero value is ready.
type labels struct {
	mu   sync.RWMutex
	seen map[string]map[string]bool
}

var wordForm = regexp.MustCompile(`^[A-Za-z0-9$/{}:*._+-]{1,80}$`)

// word returns s if it may be a value of the label: of the right form, and one of the first that came. Otherwise "other".
func (l *labels) word(label, s string) string {
	l.mu.RLock()
	known := l.seen[label][s]
	l.mu.RUnlock()
	if known {
		return s
	}
	if !wordForm.MatchString(s) {
		return "other"
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.seen[label]) >= maxWords && !l.seen[label][s] {
		return "other"
	}
	if l.seen == nil {
		l.seen = map[string]map[string]bool{}
	}
	if l.seen[label] == nil {
		l.seen[label] = map[string]bool{}
	}
	l.seen[label][s] = true
	return s
}
