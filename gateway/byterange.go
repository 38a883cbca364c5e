package gateway

import (
	"net/http"
	"strconv"
	"strings"
)

// byteRange is the piece of a file that is sent: [offset, offset+length).
type byteRange struct{ offset, length int64 }

// parseRange reads a Range header with one range (RFC 9110, section 14.1.2). partial is false when the header is absent, not understood or
// asks for several ranges: then the whole is sent, as the RFC allows. ok is false when the range lies outside the file: 416.
func parseRange(header string, size int64) (r byteRange, partial, ok bool) {
	whole := byteRange{0, size}
	unit, set, found := strings.Cut(header, "=")
	first, last, dash := strings.Cut(strings.TrimSpace(set), "-")
	if !found || !dash || !strings.EqualFold(strings.TrimSpace(unit), "bytes") {
		return whole, false, true
	}
	if first == "" {
		n, digits := position(last)
		if !digits {
			return whole, false, true
		}
		n = min(n, size)
		return byteRange{size - n, n}, true, n > 0
	}
	from, digits := position(first)
	if !digits {
		return whole, false, true
	}
	to := size - 1
	if last != "" {
		if to, digits = position(last); !digits || to < from {
			return whole, false, true
		}
	}
	if from >= size {
		return byteRange{}, true, false
	}
	return byteRange{from, min(to, size-1) - from + 1}, true, true
}

// position reads 1*DIGIT; what does not fit is beyond every file.
func position(s string) (n int64, ok bool) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 1<<63 - 1, true
	}
	return n, true
}

// precondition evaluates If-Match and If-None-Match (RFC 9110, section 13.2.2): 0 go on, 304 or 412. Files never change, so there are no dates.
func precondition(h http.Header, etag string) int {
	if match := h.Values("If-Match"); len(match) > 0 && !matches(match, etag, false) {
		return http.StatusPreconditionFailed
	}
	if matches(h.Values("If-None-Match"), etag, true) {
		return http.StatusNotModified
	}
	return 0
}

// matches compares a list of entity tags with ours. Our tags hold no commas, so the list can be cut at them.
func matches(headers []string, etag string, weak bool) bool {
	for item := range strings.SplitSeq(strings.Join(headers, ","), ",") {
		item = strings.TrimSpace(item)
		if weak {
			item = strings.TrimPrefix(item, "W/")
		}
		if item == "*" || item == etag {
			return true
		}
	}
	return false
}

// rangeHolds says whether Range counts: If-Range absent, or exactly the tag of the coding that is sent. A date never matches.
func rangeHolds(h http.Header, etag string) bool {
	values := h.Values("If-Range")
	return len(values) == 0 || len(values) == 1 && strings.TrimSpace(values[0]) == etag
}
