package fhirserver

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var followed = []string{"Practitioner", "PractitionerRole", "Organization", "Location", "Medication"}

// TestCompartmentIsWhatSearchesFind compares the oracle, which looks at every row
// itself, with the searches a client would make.
func TestCompartmentIsWhatSearchesFind(t *testing.T) {
	s, base := start(t, Options{Extras: true, Patients: 13})
	get(t, base+"/metadata") // settles the base in absolute references
	patients := s.PatientIDs()
	for _, some := range [][]string{patients[:1], patients[1:3], patients[8:]} {
		t.Run(fmt.Sprintf("%d patients", len(some)), func(t *testing.T) {
			got := map[string][]string{}
			for _, typ := range s.servedTypes() {
				param := paramsOf(typ).patientParam()
				if param == "" {
					continue
				}
				rows := map[string]bool{}
				for _, id := range some {
					for _, row := range crawl(t, base+"/"+typ+"?"+param+"="+id+"&_count=1000", "match") {
						rows[row] = true
					}
				}
				lot := crawl(t, base+"/"+typ+"?"+param+"="+strings.Join(some, ",")+"&_count=1000", "match")
				if diff := cmp.Diff(slices.Sorted(maps.Keys(rows)), sorted(lot), asEmpty); diff != "" {
					t.Errorf("%s: one by one and in one lot (-one by one +lot):\n%s", typ, diff)
				}
				if len(lot) > 0 {
					got[typ] = lot
				}
			}
			if diff := cmp.Diff(texts(s.Compartment(some)), got); diff != "" {
				t.Errorf("rows (-oracle +searches):\n%s", diff)
			}
		})
	}
}

var asEmpty = cmp.Transformer("asEmpty", func(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
})

func texts(rows map[string][][]byte) map[string][]string {
	out := map[string][]string{}
	for typ, r := range rows {
		out[typ] = lines(r)
	}
	return out
}

// TestExportIsWhatClientsCollect compares Export with reading: the compartment, its
// Provenance by _revinclude, and the references of what was found, step by step.
func TestExportIsWhatClientsCollect(t *testing.T) {
	s, base := start(t, Options{Extras: true})
	get(t, base+"/metadata")
	patients := s.PatientIDs()[:2]
	got := map[string]map[string]bool{}
	var fresh []string
	add := func(rows []string) {
		for i, id := range ids(t, rows) {
			typ, _, _ := strings.Cut(id, "/")
			if got[typ] == nil {
				got[typ] = map[string]bool{}
			}
			if !got[typ][rows[i]] {
				got[typ][rows[i]] = true
				fresh = append(fresh, rows[i])
			}
		}
	}
	for _, typ := range s.servedTypes() {
		if param := paramsOf(typ).patientParam(); param != "" {
			add(crawl(t, base+"/"+typ+"?"+param+"="+strings.Join(patients, ",")+"&_count=50&_revinclude=Provenance:target", ""))
		}
	}
	for range 3 {
		last := fresh
		fresh = nil
		for _, row := range last {
			eachReference([]byte(row), func(at span) {
				if typ, id, ok := localReference(row[at.from:at.to], base); ok && slices.Contains(followed, typ) {
					add([]string{string(get(t, base+"/"+typ+"/"+id).body)})
				}
			})
		}
	}
	want := map[string][]string{}
	for typ, rows := range texts(s.Export("group", patients, followed)) {
		want[typ] = sorted(rows)
	}
	have := map[string][]string{}
	for typ, rows := range got {
		have[typ] = slices.Sorted(maps.Keys(rows))
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("rows (-oracle +collected):\n%s", diff)
	}
}

func TestExportHoldsTheAwkwardRows(t *testing.T) {
	s, base := start(t, Options{Extras: true})
	get(t, base+"/metadata")
	patients := s.PatientIDs()
	for _, tc := range []struct {
		name     string
		patients []string
		row      string
		want     bool
	}{
		{"Account of two patients, by the first", patients[:1], "Account/extra-account-two", true},
		{"Account of two patients, by the second", patients[1:2], "Account/extra-account-two", true},
		{"Account of two others", patients[2:3], "Account/extra-account-two", false},
		{"Provenance over two patients", patients[1:2], "Provenance/extra-provenance-many", true},
		{"Provenance of a foreign row", patients[2:3], "Provenance/extra-provenance-obs-1", false},
		{"Provenance by absolute reference", patients[2:3], "Provenance/extra-provenance-obs-4", true},
		{"absolute subject", patients[:1], "Observation/extra-obs-absolute", true},
		{"performer is no subject", patients[1:2], "Observation/extra-obs-performer", false},
		{"organization at depth 2", patients[:1], "Organization/extra-org-clinic", true},
		{"organization at depth 3", patients[:1], "Organization/extra-org-region", true},
		{"organization at depth 4", patients[:1], "Organization/extra-org-top", false},
		{"contained references are followed", patients[:1], "Organization/extra-org-payer", true},
		{"Patient of another compartment", patients[:1], "Patient/" + patients[1], false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var all []string
			for _, rows := range s.Export("group", tc.patients, followed) {
				all = append(all, ids(t, lines(rows))...)
			}
			if got := slices.Contains(all, tc.row); got != tc.want {
				t.Errorf("%s in the export: %v, want %v", tc.row, got, tc.want)
			}
			slices.Sort(all)
			if once := slices.Compact(slices.Clone(all)); len(once) != len(all) {
				t.Errorf("%d rows are there twice", len(all)-len(once))
			}
		})
	}
}

func TestSystemExportIsEverything(t *testing.T) {
	s, base := start(t, Options{Extras: true})
	got := texts(s.Export("system", nil, nil))
	want := map[string][]string{}
	for _, typ := range s.Types() {
		want[typ] = crawl(t, base+"/"+typ+"?_count=1000", "match")
	}
	// The base of absolute references is known since the first request.
	if diff := cmp.Diff(texts(s.Export("system", nil, nil)), want); diff != "" {
		t.Errorf("rows (-oracle +searches):\n%s", diff)
	}
	if len(got) != len(want) {
		t.Errorf("%d types, want %d", len(got), len(want))
	}
}

func TestMembers(t *testing.T) {
	s, _ := start(t, Options{Patients: 9})
	p := s.PatientIDs()
	half := []string{p[0], p[2], p[4], p[6], p[8]}
	for _, tc := range []struct {
		group string
		want  []string
	}{
		{"half", half},
		{"empty", []string{}},
		{"everyone", p},
		{"nested", append(slices.Clone(half), p[1])},
		{"nested-back", append(slices.Clone(half), p[1])},
		{"nobody-knows", nil},
	} {
		if diff := cmp.Diff(tc.want, s.Members(tc.group)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.group, diff)
		}
	}
}
