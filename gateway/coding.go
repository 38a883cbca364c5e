package gateway

import (
	"strconv"
	"strings"
)

// acceptCoding reads Accept-Encoding (RFC 9110, section 12.5.3) for the two codings we have. gzip is chosen only when it is named, and not below
// identity; "*" alone gets identity, which every client can read. ok is false when neither is acceptable.
func acceptCoding(headers []string) (gzip, ok bool) {
	const absent = -1
	gz, id, any := float64(absent), float64(absent), float64(absent)
	for item := range strings.SplitSeq(strings.Join(headers, ","), ",") {
		name, params, _ := strings.Cut(item, ";")
		q := quality(params)
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "gzip", "x-gzip":
			gz = q
		case "identity":
			id = q
		case "*":
			any = q
		}
	}
	if gz > 0 && gz >= id {
		return true, true
	}
	if id == 0 || id == absent && any == 0 {
		return gz > 0, gz > 0
	}
	return false, true
}

// quality reads the q parameter. One that is no number from 0 to 1 refuses: better plain bytes than unreadable ones.
func quality(params string) float64 {
	for param := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(param, "=")
		if !strings.EqualFold(strings.TrimSpace(name), "q") {
			continue
		}
		q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		if err != nil || !(q >= 0 && q <= 1) {
			return 0
		}
		return q
	}
	return 1
}
