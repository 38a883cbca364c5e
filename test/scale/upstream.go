package main

import (
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// rowsPerPatient are a Patient and its Observations.
const rowsPerPatient = 3

// hospital has any number of patients, none of which it keeps.
type hospital struct {
	patients int
	base     string
	srv      *http.Server
	hang     atomic.Bool  // searches of Observation are not answered any more
	hanging  atomic.Int64 // how many wait now
	last     atomic.Int64 // when the last request began, Unix nanoseconds
}

func openHospital(patients int) (*hospital, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	h := &hospital{patients: patients, base: "http://" + l.Addr().String() + "/fhir"}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /fhir/metadata", h.metadata)
	mux.HandleFunc("GET /fhir/Patient", h.searchPatients)
	mux.HandleFunc("GET /fhir/Observation", h.searchObservations)
	mux.HandleFunc("GET /fhir/Group/one", func(w http.ResponseWriter, _ *http.Request) {
		h.answer(w, `{"resourceType":"Group","id":"one","type":"person","actual":true,"member":[{"entity":{"reference":"Patient/p0000000"}}]}`)
	})
	h.srv = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.last.Store(time.Now().UnixNano())
		mux.ServeHTTP(w, r)
	}), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = h.srv.Serve(l) }() // ends with close
	return h, nil
}

func (h *hospital) close() { _ = h.srv.Close() }

func (h *hospital) answer(w http.ResponseWriter, body string) {
	w.Header().Set("Content-Type", "application/fhir+json")
	_, _ = w.Write([]byte(body)) // the client is gone: nothing to do
}

func (h *hospital) metadata(w http.ResponseWriter, _ *http.Request) {
	h.answer(w, `{"resourceType":"CapabilityStatement","status":"active","kind":"instance","fhirVersion":"4.0.1","format":["json"],"rest":[{"mode":"server","resource":[`+
		`{"type":"Patient","interaction":[{"code":"read"},{"code":"search-type"}],"searchParam":[{"name":"_id","type":"token"},{"name":"_lastUpdated","type":"date"}]},`+
		`{"type":"Observation","interaction":[{"code":"read"},{"code":"search-type"}],"searchParam":[{"name":"patient","type":"reference"},{"name":"_lastUpdated","type":"date"}]}]}]}`)
}

func (h *hospital) bundle(w http.ResponseWriter, next string, entries []string) {
	link := ""
	if next != "" {
		link = `"link":[{"relation":"next","url":"` + next + `"}],`
	}
	h.answer(w, `{"resourceType":"Bundle","type":"searchset",`+link+`"entry":[`+strings.Join(entries, ",")+`]}`)
}

func patient(id string) string {
	return `{"resource":{"resourceType":"Patient","id":"` + id + `","meta":{"versionId":"1","lastUpdated":"2020-01-01T00:00:00Z"}},"search":{"mode":"match"}}`
}

func (h *hospital) searchPatients(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if id := q.Get("_id"); id != "" {
		h.bundle(w, "", []string{patient(id)})
		return
	}
	count, _ := strconv.Atoi(q.Get("_count"))
	from, _ := strconv.Atoi(q.Get("from"))
	if count <= 0 {
		count = 500
	}
	to, next := min(from+count, h.patients), ""
	entries := make([]string, 0, count)
	for n := from; n < to; n++ {
		entries = append(entries, patient(fmt.Sprintf("p%07d", n)))
	}
	if to < h.patients {
		next = fmt.Sprintf("%s/Patient?from=%d&_count=%d", h.base, to, count)
	}
	h.bundle(w, next, entries)
}

func (h *hospital) searchObservations(w http.ResponseWriter, r *http.Request) {
	if h.hang.Load() {
		h.hanging.Add(1)
		<-r.Context().Done()
		h.hanging.Add(-1)
		return
	}
	id := r.URL.Query().Get("patient")
	entries := make([]string, 0, rowsPerPatient-1)
	for n := range rowsPerPatient - 1 {
		entries = append(entries, fmt.Sprintf(`{"resource":{"resourceType":"Observation","id":"%s-%d","meta":{"versionId":"1","lastUpdated":"2020-01-01T00:00:00Z"},"status":"final",`+
			`"code":{"text":"x"},"subject":{"reference":"Patient/%s"}},"search":{"mode":"match"}}`, id, n, id))
	}
	h.bundle(w, "", entries)
}
