package fhirserver

import (
	"net/http/httptest"
	"testing"
)

// BenchmarkPatientSearch is one first page of one patient's Observations among 500 patients.
func BenchmarkPatientSearch(b *testing.B) {
	s, err := New(Options{Patients: 500, PublicBase: "http://up.example/fhir"})
	if err != nil {
		b.Fatal(err)
	}
	r := httptest.NewRequest("GET", "/fhir/Observation?_count=1000&patient="+s.PatientIDs()[400], nil)
	b.ReportAllocs()
	for b.Loop() {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		b.SetBytes(int64(w.Body.Len()))
	}
}

// BenchmarkLoad is the start with 500 patients.
func BenchmarkLoad(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := New(Options{Patients: 500, Extras: true}); err != nil {
			b.Fatal(err)
		}
	}
}
