package outbound

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"sluice/auth"
)

// hospital is a FHIR server and its token endpoint.
type hospital struct {
	t       *testing.T
	fhir    *httptest.Server
	tokens  *httptest.Server
	mu      sync.Mutex
	headers []http.Header // of the requests to the FHIR server
	forms   []map[string]string
	refuse  map[string]bool // tokens that the FHIR server does not take (any more)
	answer  func(n int, scope string) (status int, body string)
	issued  atomic.Int64
}

func newHospital(t *testing.T) *hospital {
	h := &hospital{t: t, refuse: map[string]bool{}}
	h.fhir = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.headers = append(h.headers, r.Header.Clone())
		if h.refuse[r.Header.Get("Authorization")] {
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	h.tokens = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		user, password, _ := r.BasicAuth()
		h.mu.Lock()
		h.forms = append(h.forms, map[string]string{
			"user": user, "password": password, "scope": r.PostForm.Get("scope"), "assertion": r.PostForm.Get("client_assertion"), "grant": r.PostForm.Get("grant_type"),
		})
		answer := h.answer
		h.mu.Unlock()
		n := int(h.issued.Add(1))
		if answer != nil {
			status, body := answer(n, r.PostForm.Get("scope"))
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"access_token": fmt.Sprint("token-", n), "expires_in": 300, "scope": r.PostForm.Get("scope")})
	}))
	t.Cleanup(h.fhir.Close)
	t.Cleanup(h.tokens.Close)
	return h
}

func (h *hospital) transport(o Options) http.RoundTripper {
	h.t.Helper()
	o.Upstream = h.fhir.URL + "/fhir"
	if o.Type == ClientCredentials || o.Type == BackendServices {
		o.TokenURL, o.ClientID = h.tokens.URL+"/token", "us & them"
	}
	rt, err := New(o, http.DefaultTransport)
	if err != nil {
		h.t.Fatal(err)
	}
	return rt
}

func (h *hospital) get(ctx context.Context, rt http.RoundTripper, url string) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	res, err := rt.RoundTrip(req)
	if err != nil {
		return 0, err
	}
	return res.StatusCode, res.Body.Close()
}

func (h *hospital) last(name string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.headers[len(h.headers)-1].Get(name)
}

func TestFixedCredentials(t *testing.T) {
	h := newHospital(t)
	for _, tc := range []struct {
		o            Options
		header, want string
	}{
		{Options{}, "Authorization", ""},
		{Options{Type: Basic, Username: "u", Password: "p:w"}, "Authorization", "Basic dTpwOnc="},
		{Options{Type: Bearer, Token: "abc"}, "Authorization", "Bearer abc"},
		{Options{Type: Header, Header: "X-API-Key", Value: "k"}, "X-API-Key", "k"},
	} {
		if _, err := h.get(t.Context(), h.transport(tc.o), h.fhir.URL+"/fhir/Patient"); err != nil {
			t.Fatal(err)
		}
		if got := h.last(tc.header); got != tc.want {
			t.Errorf("%s: %s is %q, want %q", tc.o.Type, tc.header, got, tc.want)
		}
	}
	if _, err := New(Options{Type: "digest", Upstream: "http://x"}, nil); err == nil {
		t.Error("an unknown type is taken")
	}
}

// S14, DESIGN 5: credentials go to the upstream's own origin only, and nothing else is even asked.
func TestOtherOrigins(t *testing.T) {
	h := newHospital(t)
	var asked atomic.Int64
	evil := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer evil.Close()
	for _, o := range []Options{{Type: Basic, Password: "secret"}, {Type: Bearer, Token: "secret"}, {Type: Header, Header: "X-Key", Value: "secret"}, {Type: ClientCredentials, ClientSecret: "secret"}} {
		if _, err := h.get(t.Context(), h.transport(o), evil.URL+"/fhir/Patient"); err == nil || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), evil.URL) {
			t.Errorf("%s: %v; want an error that quotes nothing", o.Type, err)
		}
	}
	if asked.Load() != 0 || h.issued.Load() != 0 {
		t.Errorf("%d requests to the other server, %d tokens fetched for it", asked.Load(), h.issued.Load())
	}
}

// R7: one fetch for all who need a token; a 401 renews it once, and only once.
func TestOneTokenForAll(t *testing.T) {
	h := newHospital(t)
	rt := h.transport(Options{Type: ClientCredentials, ClientSecret: "s/ecret", Scope: "system/Patient.rs"})
	all := func() {
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if status, err := h.get(t.Context(), rt, h.fhir.URL+"/fhir/Patient"); err != nil || status != http.StatusOK {
					t.Errorf("%d, %v", status, err)
				}
			})
		}
		wg.Wait()
	}
	all()
	if n := h.issued.Load(); n != 1 {
		t.Errorf("%d tokens for 50 requests at once", n)
	}
	if f := h.forms[0]; f["user"] != "us+%26+them" || f["password"] != "s%2Fecret" || f["grant"] != "client_credentials" || f["scope"] != "system/Patient.rs" {
		t.Errorf("asked with %v; RFC 6749, 2.3.1 wants id and secret form-encoded", f)
	}
	h.mu.Lock()
	h.refuse["Bearer token-1"] = true
	h.mu.Unlock()
	all()
	if n := h.issued.Load(); n != 2 {
		t.Errorf("%d tokens after the first was refused, want 2", n)
	}
	h.mu.Lock()
	for n := range 10 {
		h.refuse[fmt.Sprint("Bearer token-", n)] = true
	}
	h.mu.Unlock()
	status, err := h.get(t.Context(), rt, h.fhir.URL+"/fhir/Patient")
	if err != nil || status != http.StatusUnauthorized || h.issued.Load() != 3 {
		t.Errorf("%d, %v after %d tokens; want the 401 after one more", status, err, h.issued.Load())
	}
}

func TestRenewedInTime(t *testing.T) {
	h := newHospital(t)
	now := time.Now()
	rt := h.transport(Options{Type: ClientCredentials, Now: func() time.Time { return now }})
	for _, tc := range []struct {
		later  time.Duration
		tokens int64
	}{{0, 1}, {200 * time.Second, 1}, {280 * time.Second, 2}} {
		was := now
		now = now.Add(tc.later)
		if _, err := h.get(t.Context(), rt, h.fhir.URL+"/fhir/Patient"); err != nil {
			t.Fatal(err)
		}
		if n := h.issued.Load(); n != tc.tokens {
			t.Errorf("%v after it was issued: %d tokens, want %d", tc.later, n, tc.tokens)
		}
		now = was
	}
}

func TestBackendServices(t *testing.T) {
	h := newHospital(t)
	for _, alg := range []string{"ES384", "RS384"} {
		private, _, kid, err := auth.GenerateKey(alg)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "key.json")
		if err := os.WriteFile(file, private, 0o600); err != nil {
			t.Fatal(err)
		}
		rt := h.transport(Options{Type: BackendServices, KeyFile: file})
		if _, err := h.get(t.Context(), rt, h.fhir.URL+"/fhir/Patient"); err != nil {
			t.Fatal(err)
		}
		h.mu.Lock()
		form := h.forms[len(h.forms)-1]
		h.mu.Unlock()
		claims := jwt.MapClaims{}
		token, _, err := jwt.NewParser().ParseUnverified(form["assertion"], claims)
		if err != nil {
			t.Fatal(err)
		}
		exp, _ := claims.GetExpirationTime()
		if token.Method.Alg() != alg || token.Header["kid"] != kid || claims["iss"] != "us & them" || claims["sub"] != "us & them" || claims["aud"] != h.tokens.URL+"/token" ||
			claims["jti"] == "" || time.Until(exp.Time) > 5*time.Minute || form["scope"] != "system/*.rs" {
			t.Errorf("%s: assertion %v %v, scope %q", alg, token.Header, claims, form["scope"])
		}
	}
}

// Q37: a token endpoint that knows only the other spelling of scopes.
func TestScopeSpelling(t *testing.T) {
	h := newHospital(t)
	h.answer = func(n int, scope string) (int, string) {
		if scope != "system/*.read" {
			return http.StatusBadRequest, `{"error":"invalid_scope"}`
		}
		return http.StatusOK, fmt.Sprintf(`{"access_token":"t%d","expires_in":60}`, n)
	}
	rt := h.transport(Options{Type: ClientCredentials, Scope: "system/*.rs"})
	if _, err := h.get(t.Context(), rt, h.fhir.URL+"/fhir/Patient"); err != nil {
		t.Fatal(err)
	}
	if n := h.issued.Load(); n != 2 {
		t.Errorf("%d questions, want 2", n)
	}
	h.answer = func(int, string) (int, string) { return http.StatusBadRequest, `{"error":"invalid_scope"}` }
	refused := h.transport(Options{Type: ClientCredentials, Scope: "system/*.rs"})
	if _, err := h.get(t.Context(), refused, h.fhir.URL+"/fhir/Patient"); err == nil || !strings.Contains(err.Error(), "400") {
		t.Errorf("%v, want the refusal", err)
	}
}

// Errors of the token endpoint quote no secret, and who waits for a token can give up.
func TestTokenEndpointInTrouble(t *testing.T) {
	h := newHospital(t)
	h.answer = func(int, string) (int, string) {
		return http.StatusUnauthorized, `{"error":"invalid_client","error_description":"topsecret"}`
	}
	rt := h.transport(Options{Type: ClientCredentials, ClientSecret: "topsecret"})
	if _, err := h.get(t.Context(), rt, h.fhir.URL+"/fhir/Patient"); err == nil || strings.Contains(err.Error(), "topsecret") {
		t.Errorf("%v, want an error without the secret", err)
	}
	if n := h.issued.Load(); n != 1 {
		t.Errorf("%d tries with credentials that are wrong, want 1", n)
	}
	hang, hanging := make(chan struct{}), make(chan struct{}, 1)
	h.answer = func(int, string) (int, string) {
		hanging <- struct{}{}
		<-hang
		return http.StatusOK, `{"access_token":"late"}`
	}
	first := make(chan error, 1)
	go func() { _, err := h.get(t.Context(), rt, h.fhir.URL+"/fhir/Patient"); first <- err }()
	<-hanging
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.get(ctx, rt, h.fhir.URL+"/fhir/Patient"); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want to give up", err)
	}
	close(hang)
	if err := <-first; err != nil {
		t.Error(err)
	}
}
