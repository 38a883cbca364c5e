package pull

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestNames(t *testing.T) {
	n := names{}
	for _, tc := range []struct{ address, typ, want string }{
		{"https://a.test/f/Patient-0.ndjson", "Patient", "Patient-0.ndjson"},
		{"https://b.test/g/Patient-0.ndjson?sig=1", "Patient", "Patient-0-2.ndjson"},
		{"https://a.test/f/patient-0.ndjson", "Patient", "patient-0-3.ndjson"},
		{"https://a.test/f/Patient-1.ndjson.gz", "Patient", "Patient-1.ndjson"},
		{"https://a.test/Binary/87a", "Patient", "Patient.87a.ndjson"},
		{"https://a.test/Patient", "Patient", "Patient.ndjson"},
		{"https://a.test/", "Patient", "Patient-2.ndjson"},
		{"https://a.test/..%2f..%2fetc%2fpasswd", "Patient", "Patient.passwd.ndjson"},
		{"https://a.test/..", "Group", "Group.ndjson"},
		{"https://a.test/.sluice-pull.json", "Group", "Group.sluice-pull.json.ndjson"},
		{"https://a.test/manifest.json", "Group", "Group.manifest.json.ndjson"},
		{"https://a.test/a%00b%0a;rm -rf.ndjson", "Group", "a_b__rm_-rf.ndjson"},
		{"https://a.test/äö.ndjson", "Group", "Group-2.ndjson"},
		{"https://a.test/x", "../../x", "resources.x.ndjson"},
		{"%zz", "Group", "Group-3.ndjson"},
	} {
		if got := n.pick(tc.address, tc.typ); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.address, got, tc.want)
		}
	}
}

// Whatever a server calls its files, names are plain, short and different.
func FuzzNames(f *testing.F) {
	for _, s := range []string{"https://a.test/b", "../..", "https://a.test/%2e%2e%5c", "C:\\x", "https://a.test/a/", strings.Repeat("x", 400)} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		n := names{}
		seen := map[string]bool{}
		for _, s := range []string{a, b, a} {
			got := n.pick(s, b)
			if !filepath.IsLocal(got) || filepath.Base(got) != got || got[0] == '.' || len(got) > 200 || strings.ContainsAny(got, "\\:") || !strings.HasSuffix(got, ".ndjson") {
				t.Errorf("name %q", got)
			}
			if seen[strings.ToLower(got)] {
				t.Errorf("%q twice", got)
			}
			seen[strings.ToLower(got)] = true
		}
	})
}
