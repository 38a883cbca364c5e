package main

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"sluice/auth"
	"sluice/bulkdata"
	"sluice/cmd/sluice/pull"
	"sluice/test/fhirserver"
)

// post sends an assertion to the token endpoint and returns the status and the body.
func (r *rig) post(assertion string) (int, map[string]any) {
	r.t.Helper()
	res, err := http.PostForm(r.cfg.TokenURL(), url.Values{
		"grant_type": {"client_credentials"}, "scope": {"system/*.rs"}, "client_assertion": {assertion},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
	})
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	var body map[string]any
	if err := json.NewDecoder(res.Body).Decode(&body); err != nil {
		r.t.Fatalf("%s: %v", res.Status, err)
	}
	return res.StatusCode, body
}

func (r *rig) assertion(key []byte, at time.Time) string {
	r.t.Helper()
	signed, err := auth.SignAssertion(key, "loader", r.cfg.TokenURL(), at)
	if err != nil {
		r.t.Fatal(err)
	}
	return signed
}

func (r *rig) token() string {
	r.t.Helper()
	status, body := r.post(r.assertion(r.key, time.Now()))
	token, _ := body["access_token"].(string)
	if status != http.StatusOK || token == "" {
		r.t.Fatalf("token: %d %v", status, body["error"])
	}
	return token
}

// Who may not in: TOK-05, TOK-07, S7, S9; the last also after a restart, when the embedded state has forgotten everything.
func TestTokenRefused(t *testing.T) {
	r := newRig(t, fhirserver.Options{Patients: 1})
	stranger, _, _, err := auth.GenerateKey("ES384")
	if err != nil {
		t.Fatal(err)
	}
	unsigned, err := jwt.NewWithClaims(jwt.SigningMethodNone, jwt.MapClaims{
		"iss": "loader", "sub": "loader", "aud": r.cfg.TokenURL(), "jti": "1", "exp": time.Now().Add(time.Minute).Unix(),
	}).SignedString(jwt.UnsafeAllowNoneSignatureType)
	if err != nil {
		t.Fatal(err)
	}
	used := r.assertion(r.key, time.Now())
	if status, body := r.post(used); status != http.StatusOK {
		t.Fatalf("a good assertion: %d %v", status, body)
	}
	refused := func(t *testing.T, assertion string) {
		t.Helper()
		status, body := r.post(assertion)
		if status != http.StatusBadRequest && status != http.StatusUnauthorized || body["error"] != "invalid_client" || body["access_token"] != nil {
			t.Errorf("%d %v, want 400 or 401 with invalid_client and no token", status, body)
		}
	}
	for name, assertion := range map[string]string{
		"a wrong key":     r.assertion(stranger, time.Now()),
		"an old one":      r.assertion(r.key, time.Now().Add(-time.Hour)),
		"no algorithm":    unsigned,
		"a replayed one":  used,
		"not a JWT":       "x.y.z",
		"from the future": r.assertion(r.key, time.Now().Add(time.Hour)),
	} {
		t.Run(name, func(t *testing.T) { refused(t, assertion) })
	}
	r.stop()
	r.start()
	t.Run("a replayed one after a restart", func(t *testing.T) { refused(t, used) })
	r.token() // and a new one is as good as before
}

// S2: a job of another client and one that nobody has answer alike on every route.
func TestForeignJob(t *testing.T) {
	r := newRig(t, fhirserver.Options{Patients: 2})
	res, err := r.pull(pull.Options{Level: bulkdata.Patient})
	if err != nil {
		t.Fatal(err)
	}
	file := r.cfg.Server.PublicURL + "/bulkfiles/" + res.Status[strings.LastIndex(res.Status, "/")+1:] + "/Patient.0001.ndjson"
	otherKey := r.dir + "/other.key.json"
	if err := newClientWithKey(t.Context(), auth.NewFileRegistry(r.cfg.Auth.ClientsDir), "other", otherKey, false); err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(otherKey)
	if err != nil {
		t.Fatal(err)
	}
	other := ""
	for other == "" { // the running gateway picks the new client up by itself
		signed, err := auth.SignAssertion(key, "other", r.cfg.TokenURL(), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		_, body := r.post(signed)
		other, _ = body["access_token"].(string)
		time.Sleep(50 * time.Millisecond)
	}
	ask := func(method, url, token string) (int, http.Header, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		answer, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		h := answer.Header.Clone()
		for _, differs := range []string{"Date", "X-Request-Id"} {
			h.Del(differs)
		}
		return answer.StatusCode, h, string(text)
	}
	if status, _, _ := ask(http.MethodGet, file, r.token()); status != http.StatusOK {
		t.Fatalf("its own client gets %d for %s", status, file)
	}
	job := res.Status[strings.LastIndex(res.Status, "/")+1:]
	nobody := strings.Repeat("0", len(job))
	for _, route := range []struct{ method, url string }{
		{http.MethodGet, res.Status}, {http.MethodGet, file}, {http.MethodHead, file}, {http.MethodDelete, res.Status},
	} {
		foreign, fh, ftext := ask(route.method, route.url, other)
		unknown, uh, utext := ask(route.method, strings.Replace(route.url, job, nobody, 1), other)
		if foreign != http.StatusNotFound || unknown != http.StatusNotFound || ftext != utext || !maps.EqualFunc(fh, uh, func(a, b []string) bool { return strings.Join(a, ",") == strings.Join(b, ",") }) {
			t.Errorf("%s: foreign %d %v %q, unknown %d %v %q; want the same 404", route.method, foreign, fh, ftext, unknown, uh, utext)
		}
	}
	if status, _, _ := ask(http.MethodGet, res.Status, r.token()); status != http.StatusOK {
		t.Errorf("after a foreign DELETE its own client gets %d, want 200", status)
	}
}

// S6, P31: a next link to another authority gets no request, whatever it looks like; what it hides is an error line, all else is there.
func TestNextToAnotherAuthority(t *testing.T) {
	var asked atomic.Int64
	evil := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer evil.Close()
	away := fhirserver.NextAt(evil.URL + "/fhir")
	away.Name = "away"
	r := newRig(t, fhirserver.Options{Patients: 3, MaxCount: 20, Faults: fhirserver.On(away, fhirserver.ForType("Observation"))})
	res, err := r.pull(pull.Options{Level: bulkdata.Patient, Types: []string{"Patient", "Observation", "Condition"}})
	if err != nil {
		t.Fatal(err)
	}
	if r.fake.Counts().Faults["away"] == 0 {
		t.Fatal("no link led away")
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("%d requests to the other authority", n)
	}
	lines := map[string]int64{}
	for _, f := range res.Output {
		lines[f.Type] += f.Lines
	}
	want := r.fake.Export("patient", r.fake.PatientIDs(), nil)
	if lines["Patient"] != 3 || lines["Condition"] != int64(len(want["Condition"])) {
		t.Errorf("%v, want all rows of Patient and Condition", lines)
	}
	named := 0
	for _, is := range res.Issues {
		if is.Severity == "error" && strings.Contains(is.Text, "Observation") {
			named++
		}
	}
	if named == 0 {
		t.Errorf("issues %v, want one that names Observation", res.Issues)
	}
}

// R16: a client that kicks off without end is told to wait, and what was refused leaves nothing behind.
func TestR16_KickoffsWithoutEnd(t *testing.T) {
	r := newRig(t, fhirserver.Options{Patients: 2, Delay: 50 * time.Millisecond})
	token, accepted := r.token(), 0
	for range 200 {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.cfg.Server.PublicURL+"/Patient/$export", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set("Accept", "application/fhir+json")
		req.Header.Set("Prefer", "respond-async")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		switch {
		case res.StatusCode == http.StatusAccepted:
			accepted++
		case res.StatusCode != http.StatusTooManyRequests || res.Header.Get("Retry-After") == "":
			t.Fatalf("%s, Retry-After %q; want 202, or 429 with Retry-After", res.Status, res.Header.Get("Retry-After"))
		}
	}
	if accepted < 2 || accepted > 60 {
		t.Errorf("%d of 200 kick-offs were accepted, want a few", accepted)
	}
	_, out, _ := r.command("list", "--json")
	var listed struct{ Jobs []json.RawMessage }
	if err := json.Unmarshal([]byte(out), &listed); err != nil || len(listed.Jobs) != accepted {
		t.Errorf("%d exports in the index, want the %d accepted: %v", len(listed.Jobs), accepted, err)
	}
	stored, err := os.ReadDir(r.dir + "/store/jobs")
	if err != nil || len(stored) != accepted {
		t.Errorf("%d exports in the store, want the %d accepted: %v", len(stored), accepted, err)
	}
}
