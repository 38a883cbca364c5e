package gateway

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sluice/auth"
)

// DISC-15: what may pass, and what it takes.
func TestFindPassage(t *testing.T) {
	const no = ""
	for _, tc := range []struct{ mode, method, path, want string }{
		{"off", "GET", "Patient/1", no},
		{"read", "GET", "Patient/1", "Patient/1 r"},
		{"read", "HEAD", "Patient/1", "Patient/1 r"},
		{"read", "GET", "Patient/1/_history", "Patient/1 r"},
		{"read", "GET", "Patient/1/_history/3", "Patient/1 r"},
		{"read", "GET", "Patient", "Patient s"},
		{"read", "GET", "Patient/_history", "Patient rs"},
		{"read", "POST", "Patient/_search", "Patient s"},
		{"read", "GET", "?", "* rs"},
		{"read", "GET", "", no},
		{"read", "GET", "metrics", no},
		{"read", "GET", "_history", no},
		{"read", "GET", "patient/1", no},
		{"read", "GET", "Patient/1/Observation", no},
		{"read", "GET", "Patient/1/*", no},
		{"read", "GET", "Patient/1/$everything", no},
		{"read", "GET", "Patient/$match", no},
		{"read", "GET", "$graphql", no},
		{"read", "GET", "Patient/_search", no},
		{"read", "PUT", "Patient/1", no},
		{"read", "POST", "Patient", no},
		{"read", "DELETE", "Patient/1", no},
		{"read", "PATCH", "Patient/1", no},
		{"read", "POST", "", no},
		{"read", "FOO", "Patient/1", no},
		{"all", "GET", "Patient/1", "Patient/1 r"},
		{"all", "POST", "Patient", "Patient c"},
		{"all", "PUT", "Patient/1", "Patient/1 u"},
		{"all", "PUT", "Patient", "Patient us"},
		{"all", "PATCH", "Patient/1", "Patient/1 u"},
		{"all", "DELETE", "Patient/1", "Patient/1 d"},
		{"all", "POST", "", "* cruds"},
		{"all", "POST", "Patient/1/$everything", "* cruds"},
		{"all", "GET", "$meta", "* cruds"},
		{"all", "GET", "$export", no},
		{"all", "POST", "Patient/$EXPORT", no},
		{"all", "GET", "Group/1/$davinci-data-export", no},
		{"all", "GET", "Group/1/2/$meta", no},
		{"all", "FOO", "Patient/1", no},
	} {
		var path []string
		if p := strings.Trim(tc.path, "?"); p != "" {
			path = strings.Split(p, "/")
		}
		got := no
		if p, ok := findPassage(tc.mode, tc.method, path, tc.path == "?"); ok {
			got = strings.TrimSuffix(p.typ+"/"+p.id, "/") + " " + strings.TrimPrefix(auth.Scope{Rights: p.rights}.String(), "/.")
		}
		if got != tc.want {
			t.Errorf("%s: %s %q: got %q, want %q", tc.mode, tc.method, tc.path, got, tc.want)
		}
	}
}

func TestMayPass(t *testing.T) {
	read := passage{typ: "Patient", id: "1", rights: auth.Read}
	search := passage{typ: "Patient", rights: auth.Search, search: true}
	group := passage{typ: "Group", id: "a", rights: auth.Read}
	groups := passage{typ: "Group", rights: auth.Search, search: true}
	for _, tc := range []struct {
		name, scopes string
		groups       []string
		pass         passage
		query, want  string // want "" for a refusal
	}{
		{"read right", "system/Patient.r", nil, read, "", "ok"},
		{"v1 scope", "system/Patient.read", nil, read, "", "ok"},
		{"wildcard", "system/*.rs", nil, read, "", "ok"},
		{"search right does not read", "system/Patient.s", nil, read, "", ""},
		{"other type", "system/Observation.rs", nil, read, "", ""},
		{"write does not read", "system/*.write", nil, read, "", ""},
		{"granular scope", "system/Patient.rs?name=x", nil, read, "", ""},
		{"user scope", "user/Patient.rs", nil, read, "", ""},
		{"plain search", "system/Patient.rs", nil, search, "name=x&_sort=y", "name=x&_sort=y"},
		{"include", "system/Patient.rs", nil, search, "_include=Patient:organization", ""},
		{"revinclude with modifier", "system/Patient.rs", nil, search, "_revinclude:iterate=Observation:patient", ""},
		{"reverse chain", "system/Patient.rs", nil, search, "_has:Observation:patient:code=1", ""},
		{"chain", "system/Patient.rs", nil, search, "organization.name=x", ""},
		{"chain behind a type", "system/Patient.rs", nil, search, "organization:Organization.name=x", ""},
		{"foreign pages", "system/Patient.rs", nil, search, "_getpages=1", ""},
		{"include with every type", "system/*.rs", nil, search, "_include=Patient:organization", "_include=Patient%3Aorganization"},
		{"limited client, its Group", "system/*.rs", []string{"a"}, group, "", "ok"},
		{"limited client, other Group", "system/*.rs", []string{"b"}, group, "", ""},
		{"limited client, patient", "system/*.rs", []string{"a"}, read, "", ""},
		{"limited client, write", "system/*.cruds", []string{"a"}, passage{typ: "Group", id: "a", rights: auth.Update}, "", ""},
		{"limited client, history of all", "system/*.rs", []string{"a"}, passage{typ: "Group", rights: readRights}, "", ""},
		{"limited client searches its Groups", "system/*.rs", []string{"a", "b"}, groups, "name=x", "name=x&_id=a%2Cb"},
		{"limited client narrows", "system/*.rs", []string{"a", "b"}, groups, "_id=b,c", "_id=b"},
		{"limited client asks for others", "system/*.rs", []string{"a"}, groups, "_id=c", "_id=none-of-these-groups-is-allowed"},
		{"limited client includes", "system/*.rs", []string{"a"}, groups, "_include=Group:member", ""},
	} {
		scopes, err := auth.ParseScopes(tc.scopes)
		if err != nil {
			t.Fatal(err)
		}
		query, refusal := parseParams(tc.query)
		if refusal != nil {
			t.Fatal(tc.name, refusal)
		}
		got := ""
		if query, refusal = mayPass(&auth.Principal{Scopes: scopes, Groups: tc.groups}, tc.pass, query); refusal == nil {
			if got = encodeParams(query); got == "" {
				got = "ok"
			}
		}
		if diff := cmp.Diff(got, tc.want); diff != "" {
			t.Errorf("%s: (-got +want)\n%s", tc.name, diff)
		}
	}
}

// Go's ReverseProxy CVE-2022-2880: what we cannot read must not reach who may read it otherwise.
func TestParseParams(t *testing.T) {
	for _, tc := range []struct {
		raw, want string
		bad       bool
	}{
		{"", "", false},
		{"a=1&b=2&a=3", "a=1&b=2&a=3", false},
		{"a=x+y&b=x%20y&&c", "a=x+y&b=x+y&c=", false},
		{"code=http://loinc.org|1-8", "code=http%3A%2F%2Floinc.org%7C1-8", false},
		{"a=1;b=2", "", true},
		{"a=%zz", "", true},
		{"a=%00", "", true},
		{"a=%0d%0ab", "", true},
		{"=1", "", true},
		{strings.Repeat("a=1&", maxParams+1), "", true},
	} {
		params, refusal := parseParams(tc.raw)
		if (refusal != nil) != tc.bad {
			t.Errorf("parseParams(%.40q): got refusal %v, want %v", tc.raw, refusal, tc.bad)
		}
		if got := encodeParams(params); refusal == nil && got != tc.want {
			t.Errorf("parseParams(%q): got %q, want %q", tc.raw, got, tc.want)
		}
	}
}
