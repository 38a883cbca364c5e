package fhirserver

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// ticking is a clock that moves on a second each time it is read.
func ticking() func() time.Time {
	now := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	return func() time.Time { now = now.Add(time.Second); return now }
}

func fixed(at string) func() time.Time {
	t, err := time.Parse(time.RFC3339, at)
	if err != nil {
		panic(err)
	}
	return func() time.Time { return t }
}

const fhirJSON = "application/fhir+json"

func TestVersionsOfAResource(t *testing.T) {
	s, base := start(t, Options{Clock: fixed("2026-06-01T00:00:00Z")})
	url := base + "/Goal/g"
	steps := []struct {
		name, method, url, body string
		status                  int
		want                    string // body, or a part of it
	}{
		{"not there yet", "GET", url, "", 404, "HAPI-0302"},
		{"create by PUT", "PUT", url, `{"resourceType": "Goal", "id": "g", "meta": {"versionId": "99", "tag": [], "lastUpdated": "1999-01-01T00:00:00Z"}, "x": 1.0}`, 201,
			`{"resourceType":"Goal","id":"g","meta":{"versionId":"1","tag":[],"lastUpdated":"2026-06-01T00:00:00.000+00:00"},"x":1.0}`},
		{"update", "PUT", url, `{"resourceType":"Goal","id":"g"}`, 200,
			`{"resourceType":"Goal","id":"g","meta":{"versionId":"2","lastUpdated":"2026-06-01T00:00:00.000+00:00"}}`},
		{"read", "GET", url, "", 200, `"versionId":"2"`},
		{"the first version", "GET", url + "/_history/1", "", 200, `"versionId":"1"`},
		{"a version there is not", "GET", url + "/_history/3", "", 404, "HAPI-0979"},
		{"delete", "DELETE", url, "", 200, "Successfully deleted"},
		{"delete again", "DELETE", url, "", 200, "Successfully deleted"},
		{"read when deleted", "GET", url, "", 410, "Resource was deleted at 2026-06-01T00:00:00.000+00:00"},
		{"the deletion as a version", "GET", url + "/_history/3", "", 410, "deleted"},
		{"the second version", "GET", url + "/_history/2", "", 200, `"versionId":"2"`},
		{"search when deleted", "GET", base + "/Goal", "", 200, `"total":0`},
		{"undelete", "PUT", url, `{"resourceType":"Goal","id":"g"}`, 201, `"versionId":"4"`},
		{"search again", "GET", base + "/Goal", "", 200, `"versionId":"4"`},
		{"another id", "PUT", url, `{"resourceType":"Goal","id":"h"}`, 400, "HAPI-0420"},
		{"another type", "PUT", url, `{"resourceType":"Patient","id":"g"}`, 400, "another type"},
		{"no JSON", "PUT", url, `{`, 400, "HAPI-0450"},
		{"no body", "PUT", url, ``, 400, "HAPI-0956"},
		{"delete what never was", "DELETE", base + "/Goal/never", "", 404, "HAPI-2001"},
		{"patch", "PATCH", url, `{}`, 405, "not allowed"},
		{"delete a type", "DELETE", base + "/Goal", "", 405, "not allowed"},
		{"post to an instance", "POST", url, `{}`, 405, "not allowed"},
		{"put metadata", "PUT", base + "/metadata", `{}`, 405, "not allowed"},
		{"post a page", "POST", base + "?_getpages=x", ``, 405, "not allowed"},
	}
	for _, step := range steps {
		r := do(t, step.method, step.url, fhirJSON, step.body)
		if r.status != step.status || !strings.Contains(string(r.body), step.want) {
			t.Errorf("%s: status %d, want %d with %s: %s", step.name, r.status, step.status, step.want, r.body)
		}
	}
	if got := s.Resource("Goal", "g"); !strings.Contains(string(got), `"versionId":"4"`) {
		t.Errorf("Resource gives %s", got)
	}
}

func TestCreate(t *testing.T) {
	_, base := start(t, Options{})
	for _, body := range []string{
		`{"resourceType":"Patient","gender":"other"}`,
		`{"resourceType":"Patient","id":"mine","gender":"other"}`,
	} {
		r := do(t, http.MethodPost, base+"/Patient", fhirJSON, body)
		if r.status != http.StatusCreated {
			t.Fatalf("status %d, want 201: %s", r.status, r.body)
		}
		read := get(t, r.header.Get("Location"))
		if diff := cmp.Diff(string(r.body), string(read.body)); diff != "" {
			t.Errorf("created and read (-created +read):\n%s", diff)
		}
		if got, want := read.header.Get("ETag"), `W/"1"`; got != want {
			t.Errorf("ETag %s, want %s", got, want)
		}
		if strings.Contains(string(r.body), "mine") {
			t.Error("the client's id was kept")
		}
	}
}

func TestHistory(t *testing.T) {
	s, base := start(t, Options{Clock: ticking()})
	mustPut(t, s, `{"resourceType":"Goal","id":"a"}`) // second 1
	mustPut(t, s, `{"resourceType":"Goal","id":"b"}`)
	mustPut(t, s, `{"resourceType":"Goal","id":"a","x":1}`)
	if err := s.Delete("Goal", "b"); err != nil { // second 4
		t.Fatal(err)
	}
	for _, tc := range []struct{ query, want string }{
		{"/Goal/_history", "DELETE b/2 200 OK, PUT a/2 200 OK, POST b/1 201 Created, POST a/1 201 Created"},
		{"/Goal/_history?_count=1", "DELETE b/2 200 OK, PUT a/2 200 OK, POST b/1 201 Created, POST a/1 201 Created"},
		{"/Goal/_history?_since=2026-06-01T00:00:03Z", "DELETE b/2 200 OK, PUT a/2 200 OK"},
		{"/Goal/_history?_since=2026-06-01T00:00:03.001Z&_count=1", "DELETE b/2 200 OK"},
		{"/Goal/b/_history", "DELETE b/2 200 OK, POST b/1 201 Created"},
	} {
		var got []string
		for url := base + tc.query; url != ""; {
			b := find(t, url)
			if b.Type != "history" {
				t.Fatalf("type %s, want history", b.Type)
			}
			for _, e := range b.Entry {
				got = append(got, e.Request.Method+" "+strings.NewReplacer("Goal/", "", "_history/", "").Replace(e.Request.URL)+" "+e.Response.Status)
				if (e.Request.Method == "DELETE") != (e.Resource == nil) {
					t.Errorf("%s: a deletion has no resource, any other version has one", tc.query)
				}
			}
			url = b.link("next")
		}
		if diff := cmp.Diff(tc.want, strings.Join(got, ", ")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.query, diff)
		}
	}
	if r := get(t, base+"/Goal/_history?_since=soon"); r.status != http.StatusBadRequest {
		t.Errorf("bad _since: status %d, want 400", r.status)
	}
	if r := get(t, base+"/Goal/never/_history"); r.status != http.StatusNotFound {
		t.Errorf("history of nothing: status %d, want 404", r.status)
	}
}

func TestNoHistory(t *testing.T) {
	_, base := start(t, Options{NoHistory: true})
	if r := get(t, base+"/Patient/_history"); r.status != http.StatusBadRequest {
		t.Errorf("status %d, want 400", r.status)
	}
	if strings.Contains(string(get(t, base+"/metadata").body), "history-type") {
		t.Error("the CapabilityStatement still declares history-type")
	}
}

func TestBinary(t *testing.T) {
	_, base := start(t, Options{Extras: true})
	url := base + "/Binary/b1a2c3d4-0000-4000-8000-00000000000b"
	if r := get(t, url); r.header.Get("Content-Type") != "text/plain" || string(r.body) != "A note, as plain text.\n" {
		t.Errorf("%s: %s", r.header.Get("Content-Type"), r.body)
	}
	if r := get(t, url+"?_format=json"); !strings.HasPrefix(string(r.body), `{"resourceType":"Binary"`) {
		t.Errorf("as JSON: %s", r.body)
	}
}
