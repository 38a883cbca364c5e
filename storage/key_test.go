package storage_test

import (
	"strings"
	"testing"

	"sluice/storage"
)

func TestValidPrefix(t *testing.T) {
	for _, tc := range []struct {
		in          string
		prefix, dir bool
	}{
		{"", true, true},
		{"a", true, false},
		{"a/", true, true},
		{"a/b", true, false},
		{"a/b/", true, true},
		{".", true, false}, // the beginning of ".x"
		{"a/..", true, false},
		{"/", false, false},
		{"a//", false, false},
		{"../", false, false},
		{"a/./", false, false},
		{"a/b c", false, false},
		{"a\\", false, false},
		{strings.Repeat("abc/", 300), false, false},
	} {
		if got := storage.ValidPrefix(tc.in); got != tc.prefix {
			t.Errorf("ValidPrefix(%.20q) = %t, want %t", tc.in, got, tc.prefix)
		}
		if got := storage.ValidDir(tc.in); got != tc.dir {
			t.Errorf("ValidDir(%.20q) = %t, want %t", tc.in, got, tc.dir)
		}
	}
}

// A key that passes cannot leave the directory it is joined to.
func FuzzValidKey(f *testing.F) {
	for _, key := range []string{"a", "a/b", "..", "a/../b", "/", "a//b", "\x00", "a.b-c_0"} {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key string) {
		if !storage.ValidKey(key) {
			return
		}
		if strings.HasPrefix(key, "/") || strings.HasSuffix(key, "/") || strings.Contains("/"+key+"/", "/../") || strings.ContainsAny(key, "\\:\x00 ") {
			t.Errorf("ValidKey(%q) is true", key)
		}
		for i := range key {
			if !storage.ValidPrefix(key[:i]) {
				t.Errorf("ValidPrefix(%q) is false", key[:i])
			}
		}
	})
}
