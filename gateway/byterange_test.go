package gateway

import (
	"net/http"
	"testing"
)

// FILE-09.
func TestParseRange(t *testing.T) {
	whole := byteRange{0, 100}
	for _, tc := range []struct {
		header      string
		want        byteRange
		partial, ok bool
	}{
		{"", whole, false, true},
		{"bytes=0-9", byteRange{0, 10}, true, true},
		{"BYTES = 0-9", byteRange{0, 10}, true, true},
		{"bytes=90-", byteRange{90, 10}, true, true},
		{"bytes=90-1000", byteRange{90, 10}, true, true},
		{"bytes=-10", byteRange{90, 10}, true, true},
		{"bytes=-1000", byteRange{0, 100}, true, true},
		{"bytes=99-99", byteRange{99, 1}, true, true},
		{"bytes=100-", byteRange{}, true, false},
		{"bytes=99999999999999999999-", byteRange{}, true, false},
		{"bytes=5-99999999999999999999", byteRange{5, 95}, true, true},
		{"bytes=-0", byteRange{100, 0}, true, false},
		{"bytes=9-0", whole, false, true},
		{"bytes=0-1,5-6", whole, false, true},
		{"bytes=+1-2", whole, false, true},
		{"bytes=a-b", whole, false, true},
		{"bytes=", whole, false, true},
		{"bytes=-", whole, false, true},
		{"lines=1-2", whole, false, true},
	} {
		got, partial, ok := parseRange(tc.header, 100)
		if got != tc.want || partial != tc.partial || ok != tc.ok {
			t.Errorf("parseRange(%q) = %v, %v, %v, want %v, %v, %v", tc.header, got, partial, ok, tc.want, tc.partial, tc.ok)
		}
	}
}

func FuzzParseRange(f *testing.F) {
	f.Add("bytes=0-9", int64(100))
	f.Add("bytes=-5", int64(3))
	f.Fuzz(func(t *testing.T, header string, size int64) {
		if size <= 0 {
			return
		}
		r, _, ok := parseRange(header, size)
		if ok && (r.offset < 0 || r.length <= 0 || r.offset+r.length > size) {
			t.Errorf("parseRange(%q, %d) = %v", header, size, r)
		}
	})
}

func TestPrecondition(t *testing.T) {
	for _, tc := range []struct {
		name, value string
		want        int
	}{
		{"X-Nothing", "", 0},
		{"If-None-Match", `"b", "a"`, http.StatusNotModified},
		{"If-None-Match", `W/"a"`, http.StatusNotModified},
		{"If-None-Match", `*`, http.StatusNotModified},
		{"If-None-Match", `"a-gzip"`, 0},
		{"If-Match", `"a"`, 0},
		{"If-Match", `*`, 0},
		{"If-Match", `W/"a"`, http.StatusPreconditionFailed},
		{"If-Match", `"b"`, http.StatusPreconditionFailed},
	} {
		h := http.Header{}
		h.Set(tc.name, tc.value)
		if got := precondition(h, `"a"`); got != tc.want {
			t.Errorf("%s: %s: got %d, want %d", tc.name, tc.value, got, tc.want)
		}
	}
}
