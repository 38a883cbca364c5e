package bulkdata

import "time"

// ParseRetryAfter reads a Retry-After header in both its forms: seconds, or an HTTP date, which is taken relative to now. A date
// that has passed gives 0.
func ParseRetryAfter(h string, now time.Time) (time.Duration, bool) { return 0, false }
