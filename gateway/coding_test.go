package gateway

import "testing"

// FILE-08, J86.
func TestAcceptCoding(t *testing.T) {
	for _, tc := range []struct {
		headers  []string
		gzip, ok bool
	}{
		{nil, false, true},
		{[]string{""}, false, true},
		{[]string{"gzip"}, true, true},
		{[]string{"gzip;q=0"}, false, true},
		{[]string{"gzip; q=0.0"}, false, true},
		{[]string{"*;q=0, identity"}, false, true},
		{[]string{"br, GZIP"}, true, true},
		{[]string{"br", "x-gzip;q=0.5"}, true, true},
		{[]string{"identity"}, false, true},
		{[]string{"identity, gzip;q=0.5"}, false, true},
		{[]string{"identity;q=0.5, gzip"}, true, true},
		{[]string{"*"}, false, true},
		{[]string{"deflate, gzip;q=1.0, *;q=0.5"}, true, true},
		{[]string{"gzip;q=nonsense"}, false, true},
		{[]string{"gzip;q=2"}, false, true},
		{[]string{"gzip;q=NaN"}, false, true},
		{[]string{"identity;q=0"}, false, false},
		{[]string{"identity;q=0, gzip"}, true, true},
		{[]string{"identity;q=0, gzip;q=0"}, false, false},
		{[]string{"*;q=0"}, false, false},
		{[]string{"*;q=0, gzip;q=0.1"}, true, true},
	} {
		gzip, ok := acceptCoding(tc.headers)
		if gzip != tc.gzip || ok != tc.ok {
			t.Errorf("acceptCoding(%q) = %v, %v, want %v, %v", tc.headers, gzip, ok, tc.gzip, tc.ok)
		}
	}
}
