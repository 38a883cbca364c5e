package fhirserver

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// uuid is a uuid-shaped name made of its parts: the same parts, the same name.
func uuid(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	var b [36]byte
	hex.Encode(b[:8], sum[:4])
	hex.Encode(b[9:13], sum[4:6])
	hex.Encode(b[14:18], sum[6:8])
	hex.Encode(b[19:23], sum[8:10])
	hex.Encode(b[24:], sum[10:16])
	b[8], b[13], b[18], b[23] = '-', '-', '-', '-'
	return string(b[:])
}

func uuidShaped(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		if dash := i == 8 || i == 13 || i == 18 || i == 23; dash != (s[i] == '-') || !dash && !hexDigit(s[i]) {
			return false
		}
	}
	return true
}

func hexDigit(c byte) bool { return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' }

// eachUUID calls f with every uuid that is not part of a longer word.
func eachUUID(b []byte, f func(at span)) {
	for i := 0; i < len(b); {
		from := i
		for i < len(b) && (hexDigit(b[i]) || b[i] == '-') {
			i++
		}
		if i-from == 36 && uuidShaped(string(b[from:i])) {
			f(span{from, i})
		}
		if i == from {
			i++
		}
	}
}
