package gateway

import "testing"

// S11, S12: one spelling of a path, or none.
func TestCanonicalPath(t *testing.T) {
	for _, tc := range []struct{ wire, want string }{
		{"/", "/"},
		{"/fhir/$export", "/fhir/$export"},
		{"/fhir/%24export", "/fhir/$export"},
		{"/fhir/$export/", "/fhir/$export"},
		{"/fhir/Group/a.b-c/$export", "/fhir/Group/a.b-c/$export"},
		{"/fhir/Group/%61/$export", "/fhir/Group/a/$export"},
		{"/fhir/.well-known/smart-configuration", "/fhir/.well-known/smart-configuration"},
		{"", ""},
		{"*", ""},
		{"fhir", ""},
		{"//fhir", ""},
		{"/fhir//$export", ""},
		{"/fhir/$export//", ""},
		{"/fhir/./$export", ""},
		{"/fhir/../$export", ""},
		{"/fhir/..", ""},
		{"/fhir/%2e%2e/$export", ""},
		{"/fhir/%2E/x", ""},
		{"/fhir/Group%2fa/$export", ""},
		{"/fhir/Group/a%2F$export", ""},
		{"/fhir/Group/..%2f..%2fPatient/$export", ""},
		{"/fhir/a%5cb", ""},
		{`/fhir/a\b`, ""},
		{"/fhir/a%00b", ""},
		{"/fhir/$export;x=y", ""},
		{"/fhir/$export%3bx", ""},
		{"/fhir/$export%3Fx", ""},
		{"/fhir/$export%23", ""},
		{"/fhir/%2524export", ""},
		{"/fhir/%c0%af", ""},
		{"/fhir/%C3%A9", ""},
		{"/fhir/a b", ""},
		{"/fhir/a%20b", ""},
		{"/fhir/a%0d%0ab", ""},
		{"/fhir/%2", ""},
		{"/fhir/%", ""},
		{"/fhir/%zz", ""},
		{"/fhir/a:b", ""},
		{"/fhir/a@b", ""},
	} {
		got, ok := canonicalPath(tc.wire)
		if got != tc.want || ok != (tc.want != "") {
			t.Errorf("canonicalPath(%q) = %q, %v, want %q", tc.wire, got, ok, tc.want)
		}
	}
}

// What comes out is a fixed point, so that nobody behind can read it differently.
func FuzzCanonicalPath(f *testing.F) {
	for _, s := range []string{"/fhir/%24export/", "/a/../b", "/%2e%2e", "/a//b", "/fhir/Group/a/$export"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, wire string) {
		once, ok := canonicalPath(wire)
		if !ok {
			return
		}
		if twice, ok := canonicalPath(once); !ok || twice != once {
			t.Errorf("canonicalPath(%q) = %q, and of that %q, %v", wire, once, twice, ok)
		}
	})
}
