package fhir_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"sluice/fhir"
)

func TestAppendLine(t *testing.T) {
	for _, tc := range []struct {
		name, in, want string
		bad            bool // one bad resource: an error line, the page goes on
	}{
		{name: "white space goes, digits stay", in: "{ \"a\" : [ 4.0 , 1.10,1e3 ],\r\n \"b\": \"x\\n y\" }", want: `{"a":[4.0,1.10,1e3],"b":"x\n y"}`},
		{name: "U+2028 and emoji stay", in: "{\"a\":\"\u2028😀\"}", want: "{\"a\":\"\u2028😀\"}"},
		{name: "R9 duplicate names", in: `{"a":1,"a":2}`, bad: true},
		{name: "R9 invalid UTF-8", in: "{\"a\":\"\xff\"}", bad: true},
		{name: "R9 lone surrogate", in: `{"a":"\ud800"}`, bad: true},
		{name: "R9 too deep", in: strings.Repeat(`{"a":`, 300) + "1" + strings.Repeat("}", 300), bad: true},
		{name: "broken", in: `{"a":1,}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := fhir.AppendLine([]byte("x"), []byte(tc.in))
			var bad *fhir.ResourceError
			switch {
			case tc.want != "" && (err != nil || string(got) != "x"+tc.want+"\n"):
				t.Errorf("got %q, %v; want %q", got, err, tc.want)
			case tc.want == "" && (err == nil || errors.As(err, &bad) != tc.bad || string(got) != "x"):
				t.Errorf("got %q, %v; want bad resource %t and dst as it was", got, err, tc.bad)
			}
		})
	}
}

func readAll(r io.Reader, o fhir.BundleOptions) (resources []string, oversize int, b fhir.Bundle, err error) {
	br := fhir.NewBundleReader(r, o)
	for {
		e, err := br.Next()
		if err == io.EOF {
			return resources, oversize, br.Bundle(), nil
		}
		if err != nil {
			return resources, oversize, fhir.Bundle{}, err
		}
		if e.Err != nil {
			oversize++
			continue
		}
		resources = append(resources, string(e.Resource))
	}
}

const bundle = `{"resourceType":"Bundle","link":[{"relation":"self","url":"http://a\/b"},{"relation":"next","url":"n"}],
"entry":[{"fullUrl":"u","resource":{"resourceType":"Patient","id":"1"},"search":{"mode":"match"}},{"search":{},"resource":{"resourceType":"Patient","id":"22222222222222222222222222222222222222222222222"}},
{"resource":{"resourceType":"Patient","id":"3"}}],"total":3,"type":"searchset"}`

func TestBundleReader(t *testing.T) {
	for name, r := range map[string]io.Reader{"whole": strings.NewReader(bundle), "byte by byte": iotest.OneByteReader(strings.NewReader(bundle))} {
		got, _, b, err := readAll(r, fhir.BundleOptions{})
		if err != nil || len(got) != 3 || b.Total == nil || *b.Total != 3 || b.Link("next") != "n" || b.Link("self") != "http://a/b" {
			t.Errorf("%s: got %q, %+v, %v", name, got, b, err)
		}
	}
}

// A resource above the limit is passed over while reading; the page goes on (P48, P49).
func TestBundleReaderPassesOversize(t *testing.T) {
	got, oversize, b, err := readAll(strings.NewReader(bundle), fhir.BundleOptions{MaxResource: 50})
	if err != nil || len(got) != 2 || oversize != 1 || b.Link("next") != "n" {
		t.Errorf("got %q, %d oversize, %v; want 2, 1", got, oversize, err)
	}
}

// P58: a page cut anywhere is an error, never a short page.
func TestBundleReaderCut(t *testing.T) {
	for n := range len(bundle) {
		if _, _, _, err := readAll(strings.NewReader(bundle[:n]), fhir.BundleOptions{}); err == nil {
			t.Fatalf("cut at %d: no error", n)
		}
	}
}

func TestBundleReaderRefusesOthers(t *testing.T) {
	for _, body := range []string{"<html></html>", `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"login"}]}`, `[]`} {
		_, _, _, err := readAll(strings.NewReader(body), fhir.BundleOptions{})
		var other *fhir.NotBundleError
		if !errors.As(err, &other) {
			t.Errorf("%s: got %v, want *NotBundleError", body, err)
		}
	}
}

func TestParseReference(t *testing.T) {
	for s, want := range map[string]string{
		"Patient/1": "Patient/1", "Patient/1/_history/2": "Patient/1", "http://up/fhir/Patient/1": "Patient/1",
		"http://up/fhirx/Patient/1": "", "http://evil/fhir/Patient/1": "", "#a": "", "urn:uuid:1": "", "Patient/..": "", "Patient/1/x": "",
	} {
		ref, ok := fhir.ParseReference(s, "http://up/fhir")
		if got := ref.String(); ok != (want != "") || ok && got != want {
			t.Errorf("%s: got %s %t, want %q", s, got, ok, want)
		}
	}
}

// Every parameter of the compartment tells where it looks: a row can be held against the patient asked for (DATA-06).
func TestCompartmentParametersHavePaths(t *testing.T) {
	n := 0
	for _, typ := range fhir.Types() {
		if !fhir.InCompartment(typ) {
			continue
		}
		n++
		for _, p := range fhir.CompartmentParams(typ) {
			if len(fhir.PatientPaths(typ, p)) == 0 {
				t.Errorf("%s: no path for %s", typ, p)
			}
		}
	}
	if n != 66 {
		t.Errorf("%d types in the compartment, want 66", n)
	}
}

// A search without a patient, ids or the whole type on purpose cannot be made (J30).
func TestQueriesAreBound(t *testing.T) {
	if _, err := fhir.PatientQuery("Observation", "patient"); err == nil {
		t.Error("a search for no patient was made")
	}
	if _, err := fhir.IDQuery("Patient"); err == nil {
		t.Error("a search for no id was made")
	}
	if _, err := fhir.PatientQuery("Observation", "patient", "a&b"); err == nil {
		t.Error("an id with & was taken")
	}
	if (fhir.Query{}).Valid() {
		t.Error("the zero Query is valid")
	}
}
