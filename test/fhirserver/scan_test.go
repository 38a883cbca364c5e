package fhirserver

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEachAt(t *testing.T) {
	const row = `{"a":[{"b":1},{"b":[2,{"c":"x"}]},3],"valueString":"s","valueQuantity":{"value":1.0},"value":"no","e":[],"s":"{\"a\":[}\\"}`
	for _, tc := range []struct {
		path []string
		want []string
	}{
		{[]string{"a", "b"}, []string{"1", "2", `{"c":"x"}`}},
		{[]string{"a", "b", "c"}, []string{`"x"`}},
		{[]string{"value[x]"}, []string{`"s"`, `{"value":1.0}`}},
		{[]string{"value"}, []string{`"no"`}},
		{[]string{"e"}, nil},
		{[]string{"s", "a"}, nil},
		{[]string{"nothing"}, nil},
	} {
		var got []string
		eachAt([]byte(row), tc.path, func(v []byte) { got = append(got, string(v)) })
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%v (-want +got):\n%s", tc.path, diff)
		}
	}
}

func TestLocalReference(t *testing.T) {
	const base = "http://up.example/fhir"
	for _, tc := range []struct{ in, want string }{
		{"Patient/1", "Patient/1"},
		{"Patient/1/_history/2", "Patient/1"},
		{"{base}/Patient/1", "Patient/1"},
		{base + "/Patient/1/_history/3", "Patient/1"},
		{base + "2/Patient/1", ""},
		{"http://other.example/fhir/Patient/1", ""},
		{"#med", ""}, {"urn:uuid:1", ""}, {"Patient", ""}, {"Dragon/1", ""}, {"Patient/", ""}, {"Patient/1/2", ""}, {"", ""},
	} {
		got := ""
		if typ, id, ok := localReference(tc.in, base); ok {
			got = typ + "/" + id
		}
		if got != tc.want {
			t.Errorf("%q: %q, want %q", tc.in, got, tc.want)
		}
	}
}

// FuzzScan compares the scanner with encoding/json.
func FuzzScan(f *testing.F) {
	for _, seed := range []string{`{"a":{"reference":"Patient/1"},"b":[1,"x\"]",{}]}`, `{"a\"":"\\","":[[]]}`, `[{"reference":"\u0041"}]`, `1e5`, `"s"`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		raw, err := compact(raw)
		if err != nil {
			return
		}
		if end := valueEnd(raw, 0); end != len(raw) {
			t.Errorf("value ends at %d of %d", end, len(raw))
		}
		eachReference(raw, func(at span) {
			if !json.Valid(raw[at.from-1 : at.to+1]) {
				t.Errorf("reference %q is no string", raw[at.from-1:at.to+1])
			}
		})
		eachUUID(raw, func(at span) {
			if at.to-at.from != 36 {
				t.Errorf("uuid of %d characters", at.to-at.from)
			}
		})
		if raw[0] != '{' {
			return
		}
		var back bytes.Buffer
		back.WriteByte('{')
		eachMember(raw, 0, func(name []byte, v span) bool {
			if back.Len() > 1 {
				back.WriteByte(',')
			}
			back.WriteString(`"` + string(name) + `":`)
			back.Write(raw[v.from:v.to])
			return true
		})
		back.WriteByte('}')
		if diff := cmp.Diff(string(raw), back.String()); diff != "" {
			t.Errorf("members put together (-raw +got):\n%s", diff)
		}
	})
}
