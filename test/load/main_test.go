package main

import (
	"bytes"
	"testing"
)

func TestBounded(t *testing.T) {
	for _, tc := range []struct {
		name  string
		peaks []float64
		ok    bool
	}{
		{"alike and small", []float64{44, 46}, true},
		{"too large", []float64{250, 257}, false},
		{"grows", []float64{40, 45}, false},
	} {
		var rs []result
		for _, p := range tc.peaks {
			rs = append(rs, result{PeakMiB: p, memory: true})
		}
		rs = append(rs, result{PeakMiB: 1000}) // not compared
		if err := bounded(&bytes.Buffer{}, rs, 256, 10); (err == nil) != tc.ok {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}
