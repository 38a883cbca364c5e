package fhirserver

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

var stamped = regexp.MustCompile(`"versionId":"1","lastUpdated":"2026-01-01T00:00:0\d\.\d{3}\+00:00",?`)

func TestServedBytesAreTheLoadedOnes(t *testing.T) {
	s, _ := start(t, Options{})
	err := fs.WalkDir(bundled, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := bundled.ReadFile(path)
		if err != nil {
			return err
		}
		typ := strings.TrimSuffix(d.Name(), ".ndjson")
		var served []string
		for _, row := range lines(s.Resources(typ)) {
			served = append(served, strings.Replace(stamped.ReplaceAllString(row, ""), `"meta":{},`, "", 1))
		}
		loaded := strings.Split(strings.TrimSpace(string(content)), "\n")
		if diff := cmp.Diff(loaded, served[:len(loaded)]); diff != "" {
			t.Errorf("%s (-loaded +served):\n%s", typ, diff)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestStamp(t *testing.T) {
	for _, tc := range []struct{ name, raw, want string }{
		{"no meta", `{"resourceType":"Patient","id":"a"}`,
			`{"resourceType":"Patient","id":"a","meta":{"versionId":"1","lastUpdated":"2026-01-01T00:00:00.000+00:00"}}`},
		{"no meta, more after it", `{ "id": "a", "resourceType": "Patient", "active": true }`,
			`{"id":"a","meta":{"versionId":"1","lastUpdated":"2026-01-01T00:00:00.000+00:00"},"resourceType":"Patient","active":true}`},
		{"empty meta", `{"resourceType":"Patient","id":"a","meta":{}}`,
			`{"resourceType":"Patient","id":"a","meta":{"versionId":"1","lastUpdated":"2026-01-01T00:00:00.000+00:00"}}`},
		{"meta first", `{"meta":{"tag":[]},"resourceType":"Patient","id":"a"}`,
			`{"meta":{"versionId":"1","lastUpdated":"2026-01-01T00:00:00.000+00:00","tag":[]},"resourceType":"Patient","id":"a"}`},
		{"own version", `{"resourceType":"Patient","id":"a","meta":{"tag":[],"versionId":"x"}}`,
			`{"resourceType":"Patient","id":"a","meta":{"lastUpdated":"2026-01-01T00:00:00.000+00:00","tag":[],"versionId":"x"}}`},
		{"own both", `{"resourceType":"Patient","id":"a","meta":{"lastUpdated":"2020-02-02T02:02:02Z","versionId":"9"}}`,
			`{"resourceType":"Patient","id":"a","meta":{"lastUpdated":"2020-02-02T02:02:02Z","versionId":"9"}}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, err := Load(Options{}, fstest.MapFS{"p.ndjson": {Data: []byte(tc.raw)}})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, string(s.Resource("Patient", "a"))); diff != "" {
				t.Errorf("row (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLoadRefuses(t *testing.T) {
	for _, tc := range []struct{ name, line, want string }{
		{"no JSON", `{"resourceType":`, "not JSON"},
		{"an array", `[]`, "not a JSON object"},
		{"an unknown type", `{"resourceType":"Dragon","id":"a"}`, "not a resource of a known type"},
		{"no id", `{"resourceType":"Patient"}`, "resource without id"},
		{"a bad id", `{"resourceType":"Patient","id":"a/b"}`, "not a valid id"},
		{"a bad time", `{"resourceType":"Patient","id":"a","meta":{"lastUpdated":"today"}}`, "not an instant"},
		{"a row twice", `{"resourceType":"Patient","id":"ok"}`, "twice"},
	} {
		_, err := Load(Options{}, fstest.MapFS{"p.ndjson": {Data: []byte(`{"resourceType":"Patient","id":"ok"}` + "\n" + tc.line)}})
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: error %v, want one with %q", tc.name, err, tc.want)
		}
	}
}

// TestMultiplied checks any number of patients: ids are unique, every reference
// leads somewhere, and the data are the same each time.
func TestMultiplied(t *testing.T) {
	for _, n := range []int{1, 3, 9, 10, 11, 25, 40} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			o := Options{Patients: n, Extras: true, PublicBase: "http://up.example/fhir"}
			s, _ := start(t, o)
			again, _ := start(t, o)
			if got := len(s.PatientIDs()); got != n {
				t.Fatalf("%d patients, want %d", got, n)
			}
			if got := len(s.Members("half")); got != (n+1)/2 {
				t.Errorf("half has %d members, want %d", got, (n+1)/2)
			}
			known := map[string]bool{}
			for _, typ := range s.Types() {
				rows := s.Resources(typ)
				if !slices.EqualFunc(rows, again.Resources(typ), bytes.Equal) {
					t.Errorf("%s differs between two runs", typ)
				}
				for _, id := range ids(t, lines(rows)) {
					if known[id] {
						t.Errorf("%s is there twice", id)
					}
					known[id] = true
				}
			}
			dangling := map[string]bool{}
			for _, typ := range s.Types() {
				for _, row := range s.Resources(typ) {
					if !json.Valid(row) {
						t.Fatalf("not JSON: %s", row)
					}
					eachReference(row, func(at span) {
						if typ, id, ok := localReference(string(row[at.from:at.to]), o.PublicBase); ok && !known[typ+"/"+id] {
							dangling[typ+"/"+id] = true
						}
					})
				}
			}
			delete(dangling, "Observation/not-there") // on purpose
			delete(dangling, "Patient/none")          // Group nested has no such patient when there is only one
			if len(dangling) > 0 {
				t.Errorf("references that lead nowhere: %v", dangling)
			}
		})
	}
}

func TestCopiesDifferInIDsOnly(t *testing.T) {
	s, _ := start(t, Options{Patients: 20, Extras: true})
	patients := s.PatientIDs()
	first, second := s.Compartment(patients[:10]), s.Compartment(patients[10:])
	blank := func(rows [][]byte) []string {
		var out []string
		for _, r := range rows {
			row := uuids.ReplaceAllString(times.ReplaceAllString(string(r), "TIME"), "UUID")
			out = append(out, regexp.MustCompile(`extra-[a-z0-9-]+`).ReplaceAllString(row, "UUID"))
		}
		return out
	}
	for typ := range first {
		if typ == "Group" {
			continue
		}
		if diff := cmp.Diff(blank(first[typ]), blank(second[typ])); diff != "" {
			t.Errorf("%s (-first copy +second copy):\n%s", typ, diff)
		}
	}
	if a, b := len(s.Resources("Practitioner")), 31; a != b {
		t.Errorf("%d Practitioners, want the %d shared ones", a, b)
	}
}

func TestExtrasKeepTheirBytes(t *testing.T) {
	s, base := start(t, Options{Extras: true})
	get(t, base+"/metadata")
	for id, want := range map[string]string{
		"extra-obs-numbers":  `"valueQuantity":{"value":4.0,"unit":"kg"},"component":[{"code":{"text":"a"},"valueQuantity":{"value":1.10}},{"code":{"text":"b"},"valueQuantity":{"value":1e3}},`,
		"extra-obs-strings":  `"line\u2028separator, ` + "\u2028" + ` raw, emoji 😀 and \ud83d\ude00, a line\nbreak, a \/ slash, <b>&amp;</b>"`,
		"extra-obs-unknown":  `"zzUnknown":{"a":[1,2.50,{"b":true}],"reference":"not a Reference"}`,
		"extra-obs-absolute": `"subject":{"reference":"` + base + `/Patient/` + s.PatientIDs()[0] + `"}`,
	} {
		if got := string(get(t, base+"/Observation/"+id).body); !strings.Contains(got, want) {
			t.Errorf("%s: %s\nlacks %s", id, got, want)
		}
	}
	if got := len(s.Compartment(s.PatientIDs())); got < 15 {
		t.Errorf("%d types of patients, want at least 15", got)
	}
}
