package auth

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	testTokenURL = "https://sluice.example/auth/token"
	testAudience = "https://sluice.example/fhir"
)

// usedOnce remembers assertion ids in memory.
type usedOnce struct {
	mu   sync.Mutex
	seen map[string]bool
	err  error
}

func (u *usedOnce) Use(_ context.Context, client, jti string, _ time.Time) (bool, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.err != nil {
		return false, u.err
	}
	key := client + " " + jti
	fresh := !u.seen[key]
	u.seen[key] = true
	return fresh, nil
}

// desk is a token endpoint with one client that has an ES384 and an RS384 key.
type desk struct {
	t        *testing.T
	endpoint *TokenEndpoint
	verifier *Verifier
	registry *FileRegistry
	jtis     *usedOnce
	now      time.Time
	ec       *ecdsa.PrivateKey
	rsa      *rsa.PrivateKey
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{t: t, jtis: &usedOnce{seen: map[string]bool{}}, now: time.Now()}
	var err error
	if d.ec, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	if d.rsa, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		t.Fatal(err)
	}
	d.registry = NewFileRegistry(t.TempDir())
	err = d.registry.Add(t.Context(), &Client{ID: "loader", Name: "Loader", JWKS: d.jwks(), Scopes: []string{"system/*.rs"}, Enabled: true})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := NewKeySet()
	if err != nil {
		t.Fatal(err)
	}
	keys, err := LoadKeySet(raw)
	if err != nil {
		t.Fatal(err)
	}
	now := func() time.Time { return d.now }
	d.endpoint, err = NewTokenEndpoint(TokenOptions{Registry: d.registry, JTIs: d.jtis, Keys: keys, TokenURL: testTokenURL, Audience: testAudience, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	if d.verifier, err = NewVerifier(VerifierOptions{Registry: d.registry, Keys: keys, Audience: testAudience, Now: now}); err != nil {
		t.Fatal(err)
	}
	return d
}

// jwks is the public set of the client.
func (d *desk) jwks() json.RawMessage {
	d.t.Helper()
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	for kid, key := range map[string]any{"ec": &d.ec.PublicKey, "rsa": &d.rsa.PublicKey} {
		alg := map[string]string{"ec": algES384, "rsa": algRS384}[kid]
		m, err := marshalJWK(key, alg, kid)
		if err != nil {
			d.t.Fatal(err)
		}
		raw, err := json.Marshal(publicHalf(m))
		if err != nil {
			d.t.Fatal(err)
		}
		set.Keys = append(set.Keys, raw)
	}
	raw, err := json.Marshal(set)
	if err != nil {
		d.t.Fatal(err)
	}
	return raw
}

// draft is an assertion before it is signed; the zero changes of a good one.
type draft struct {
	method jwt.SigningMethod
	key    any
	header map[string]any
	claims jwt.MapClaims
}

var jtiCount int

func (d *desk) draft() *draft {
	jtiCount++
	return &draft{
		method: jwt.SigningMethodES384, key: d.ec, header: map[string]any{"typ": "JWT", "kid": "ec"},
		claims: jwt.MapClaims{"iss": "loader", "sub": "loader", "aud": testTokenURL, "jti": fmt.Sprint("jti-", jtiCount), "exp": d.now.Add(4 * time.Minute).Unix(), "iat": d.now.Unix()},
	}
}

func (d *desk) sign(a *draft) string {
	d.t.Helper()
	t := jwt.NewWithClaims(a.method, a.claims)
	t.Header = map[string]any{"alg": a.method.Alg()}
	for k, v := range a.header {
		t.Header[k] = v
	}
	signed, err := t.SignedString(a.key)
	if err != nil {
		d.t.Fatal(err)
	}
	return signed
}

func (d *desk) post(assertion string) (*TokenResponse, error) {
	res, _, err := d.endpoint.Token(d.t.Context(), url.Values{
		"grant_type": {"client_credentials"}, "scope": {"system/*.rs"}, "client_assertion": {assertion},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
	}, "192.0.2.1")
	return res, err
}

func TestGoodAssertions(t *testing.T) {
	d := newDesk(t)
	for name, change := range map[string]func(*draft){
		"ES384":                     func(*draft) {},
		"RS384":                     func(a *draft) { a.method, a.key, a.header["kid"] = jwt.SigningMethodRS384, d.rsa, "rsa" },
		"aud is one of several":     func(a *draft) { a.claims["aud"] = []string{"https://other.example", testTokenURL} },
		"no iat":                    func(a *draft) { delete(a.claims, "iat") },
		"expired within the leeway": func(a *draft) { a.claims["exp"] = d.now.Add(-5 * time.Second).Unix() },
		"headers that lead nowhere": func(a *draft) {
			a.header["x5u"], a.header["jwk"] = "http://192.0.2.9/x", map[string]string{"kty": "oct"}
		},
		"five minutes and the leeway": func(a *draft) { a.claims["exp"] = d.now.Add(305 * time.Second).Unix() },
		"a claim nobody asked for":    func(a *draft) { a.claims["extra"] = map[string]any{"a": 1} },
		"typ in small letters":        func(a *draft) { a.header["typ"] = "jwt" },
		"nbf that has just gone by":   func(a *draft) { a.claims["nbf"] = d.now.Unix() },
		"an id of 256 characters":     func(a *draft) { a.claims["jti"] = strings.Repeat("j", 256) },
		"iat within the leeway ahead": func(a *draft) { a.claims["iat"] = d.now.Add(5 * time.Second).Unix() },
	} {
		t.Run(name, func(t *testing.T) {
			a := d.draft()
			change(a)
			res, err := d.post(d.sign(a))
			if err != nil {
				var e *Error
				errors.As(err, &e)
				t.Fatalf("%v (%+v)", err, e)
			}
			if res.TokenType != "bearer" || res.ExpiresIn <= 0 || res.ExpiresIn > 300 || res.AccessToken == "" {
				t.Errorf("got %+v", res)
			}
			p, err := d.verifier.Verify(t.Context(), "Bearer "+res.AccessToken)
			if err != nil || p.ClientID != "loader" || !p.MayExport("Observation") {
				t.Errorf("its token: %+v, %v", p, err)
			}
		})
	}
}

// TOK-04 to TOK-12, S5, S7, S8: each is refused with the one answer that tells nothing.
func TestBadAssertions(t *testing.T) {
	d := newDesk(t)
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*draft){
		"wrong key":                  func(a *draft) { a.key = stranger },
		"expired":                    func(a *draft) { a.claims["exp"] = d.now.Add(-time.Minute).Unix() },
		"no exp":                     func(a *draft) { delete(a.claims, "exp") },
		"exp is a text":              func(a *draft) { a.claims["exp"] = "tomorrow" },
		"exp six minutes ahead":      func(a *draft) { a.claims["exp"] = d.now.Add(6 * time.Minute).Unix() },
		"nbf ahead":                  func(a *draft) { a.claims["nbf"] = d.now.Add(time.Minute).Unix() },
		"iat ahead":                  func(a *draft) { a.claims["iat"] = d.now.Add(time.Minute).Unix() },
		"aud is the FHIR base":       func(a *draft) { a.claims["aud"] = testAudience },
		"no aud":                     func(a *draft) { delete(a.claims, "aud") },
		"iss and sub differ":         func(a *draft) { a.claims["sub"] = "other" },
		"no iss":                     func(a *draft) { delete(a.claims, "iss") },
		"unknown client":             func(a *draft) { a.claims["iss"], a.claims["sub"] = "nobody", "nobody" },
		"a client id with a path":    func(a *draft) { a.claims["iss"], a.claims["sub"] = "../loader", "../loader" },
		"no jti":                     func(a *draft) { delete(a.claims, "jti") },
		"jti of 257 characters":      func(a *draft) { a.claims["jti"] = strings.Repeat("j", 257) },
		"jti is a number":            func(a *draft) { a.claims["jti"] = 7 },
		"algorithm none":             func(a *draft) { a.method, a.key = jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType },
		"HS384 with the public key":  func(a *draft) { a.method, a.key = jwt.SigningMethodHS384, []byte(d.jwks()) },
		"ES256":                      func(a *draft) { a.method, a.key = jwt.SigningMethodES256, p256 },
		"RS256":                      func(a *draft) { a.method, a.key, a.header["kid"] = jwt.SigningMethodRS256, d.rsa, "rsa" },
		"RS384 named by the EC key":  func(a *draft) { a.method, a.key = jwt.SigningMethodRS384, d.rsa },
		"no kid":                     func(a *draft) { delete(a.header, "kid") },
		"unknown kid":                func(a *draft) { a.header["kid"] = "other" },
		"kid is a path":              func(a *draft) { a.header["kid"] = "../../etc/passwd" },
		"huge kid":                   func(a *draft) { a.header["kid"] = strings.Repeat("k", 9000) },
		"kid is a number":            func(a *draft) { a.header["kid"] = 1 },
		"crit":                       func(a *draft) { a.header["crit"] = []string{"exp"} },
		"jku that is not registered": func(a *draft) { a.header["jku"] = "http://169.254.169.254/jwks" },
		"typ of an access token":     func(a *draft) { a.header["typ"] = "at+jwt" },
		"no typ":                     func(a *draft) { delete(a.header, "typ") },
		"larger than 16 KiB":         func(a *draft) { a.claims["pad"] = strings.Repeat("x", 20<<10) },
	} {
		t.Run(name, func(t *testing.T) {
			a := d.draft()
			change(a)
			res, err := d.post(d.sign(a))
			var e *Error
			if res != nil || !errors.As(err, &e) || e.Code != "invalid_client" || e.Status != http.StatusBadRequest && e.Status != http.StatusUnauthorized {
				t.Fatalf("got %+v, %v; want invalid_client", res, err)
			}
			if plain := invalidClient("x"); e.Description != plain.Description || e.Status != plain.Status {
				t.Errorf("the answer %d %q differs from that to other faults: it tells which check failed", e.Status, e.Description)
			}
			if e.Reason == "" {
				t.Error("no reason for the audit log")
			}
		})
	}
	for name, raw := range map[string]string{"empty": "", "no JWT": "abc", "dots": strings.Repeat(".", 5000), "two parts": "a.b"} {
		if res, err := d.post(raw); res != nil || err == nil {
			t.Errorf("%s: got a token", name)
		}
	}
}

// S9, TOK-13: an assertion is good for one token, whoever is first; while nobody can tell whether it was used there is none.
func TestReplay(t *testing.T) {
	d := newDesk(t)
	assertion := d.sign(d.draft())
	var wg sync.WaitGroup
	var mu sync.Mutex
	tokens := 0
	for range 100 {
		wg.Go(func() {
			if res, err := d.post(assertion); err == nil && res.AccessToken != "" {
				mu.Lock()
				tokens++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if tokens != 1 {
		t.Errorf("%d tokens for one assertion", tokens)
	}
	d.jtis.err = errors.New("redis is away")
	res, err := d.post(d.sign(d.draft()))
	var e *Error
	if res != nil || !errors.As(err, &e) || e.Status != http.StatusServiceUnavailable {
		t.Errorf("while nobody knows: %+v, %v; want 503", res, err)
	}
}
