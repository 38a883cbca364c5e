package outbound

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/sync/semaphore"
)

// Transport signs what passes through. It is safe for concurrent use.
type Transport struct {
	o      Options
	origin string
	base   http.RoundTripper

	lock    *semaphore.Weighted // held while a token is fetched: all who wait share it, and each may give up
	scope   string              // what is asked for: as configured, or in the other spelling once the server wanted that
	token   string
	expires time.Time
	grant   Grant
}

// New checks the options and returns a *Transport that sends through base.
func New(o Options, base http.RoundTripper) (http.RoundTripper, error) {
	if o.Type == "" {
		o.Type = None
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	t := &Transport{o: o, base: base, lock: semaphore.NewWeighted(1)}
	switch o.Type {
	case None:
		return t, nil
	case Basic, Bearer, Header:
	case ClientCredentials, BackendServices:
		if o.TokenURL == "" || o.ClientID == "" {
			return nil, errors.New("token_url and client_id are needed")
		}
		if o.Type == BackendServices && o.Scope == "" {
			t.o.Scope = "system/*.rs"
		}
		t.scope = t.o.Scope
	default:
		return nil, fmt.Errorf("type %q: expected none, basic, bearer, header, client_credentials or backend_services", o.Type)
	}
	u, err := url.Parse(o.Upstream)
	if err != nil || u.Host == "" {
		return nil, errors.New("the upstream's URL is not absolute")
	}
	t.origin = origin(u)
	return t, nil
}

// origin is scheme, host and port, the default port named.
func origin(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return u.Scheme + "://" + strings.ToLower(u.Hostname()) + ":" + port
}

// RoundTrip signs a copy of the request and sends it. Another origin than the upstream's gets no credentials and no request. On a 401
// the token is fetched anew once, and a request without body is sent again.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if t.o.Type == None {
		return t.base.RoundTrip(req)
	}
	if origin(req.URL) != t.origin {
		return nil, errors.New("request to another server than the upstream: not signed, not sent")
	}
	res, token, err := t.send(req, "")
	if err != nil || res.StatusCode != http.StatusUnauthorized || token == "" || req.Body != nil && req.Body != http.NoBody {
		return res, err
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10))
	_ = res.Body.Close()
	res, _, err = t.send(req, token)
	return res, err
}

// send signs and sends once; it returns the token it used. stale is a token known to be refused.
func (t *Transport) send(req *http.Request, stale string) (*http.Response, string, error) {
	req = req.Clone(req.Context())
	token := ""
	switch t.o.Type {
	case Basic:
		req.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(t.o.Username+":"+t.o.Password)))
	case Bearer:
		req.Header.Set("Authorization", "Bearer "+t.o.Token)
	case Header:
		req.Header.Set(t.o.Header, t.o.Value)
	default:
		var err error
		if token, err = t.current(req.Context(), stale); err != nil {
			return nil, "", err
		}
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := t.base.RoundTrip(req)
	return res, token, err
}

// Check gets a token, if the type needs one, so that a wrong secret shows at start.
func (t *Transport) Check(ctx context.Context) error {
	if t.o.Type != ClientCredentials && t.o.Type != BackendServices {
		return nil
	}
	_, err := t.current(ctx, "")
	return err
}

// Grant tells the scopes of the last token; false when there is none, or the type knows none.
func (t *Transport) Grant() (Grant, bool) {
	if err := t.lock.Acquire(context.Background(), 1); err != nil {
		return Grant{}, false
	}
	defer t.lock.Release(1)
	return t.grant, t.token != ""
}

// current returns a token that is good for a while yet and is not the stale one. One caller fetches, the others wait for it.
func (t *Transport) current(ctx context.Context, stale string) (string, error) {
	if err := t.lock.Acquire(ctx, 1); err != nil {
		return "", err
	}
	defer t.lock.Release(1)
	if t.token != "" && t.token != stale && t.o.Now().Before(t.expires) {
		return t.token, nil
	}
	var err error
	known := t.token != "" // after a first success, a bare 400 is no proof of bad credentials
	for try := range 4 {
		if try > 0 {
			select {
			case <-ctx.Done():
				return "", ctx.Err()
			case <-time.After(time.Duration(try) * 300 * time.Millisecond):
			}
		}
		var again bool
		if again, err = t.fetch(ctx, known); err == nil {
			return t.token, nil
		}
		if !again {
			break
		}
	}
	return "", &TokenError{err.Error()}
}

// TokenError says why there is no token. Its text is ours: it holds no secret and nothing of the endpoint's answer but the status.
type TokenError struct{ reason string }

func (e *TokenError) Error() string { return "upstream token: " + e.reason }

// Reason is the text for people who look after the gateway.
func (e *TokenError) Reason() string { return e.Error() }

// fetch asks the token endpoint once; again tells that another try may help.
func (t *Transport) fetch(ctx context.Context, known bool) (again bool, err error) {
	form := url.Values{"grant_type": {"client_credentials"}}
	if t.scope != "" {
		form.Set("scope", t.scope)
	}
	if t.o.Type == BackendServices {
		assertion, err := t.assertion()
		if err != nil {
			return false, err
		}
		form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		form.Set("client_assertion", assertion)
	}
	ctx, done := context.WithTimeout(ctx, 30*time.Second)
	defer done()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.o.TokenURL, strings.NewReader(form.Encode()))
	if err != nil {
		return false, errors.New("token_url is not a URL")
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	if t.o.Type == ClientCredentials {
		req.SetBasicAuth(url.QueryEscape(t.o.ClientID), url.QueryEscape(t.o.ClientSecret))
	}
	res, err := t.base.RoundTrip(req)
	if err != nil {
		return true, errors.New("no answer from the token endpoint")
	}
	defer res.Body.Close()
	var answer struct {
		Token   string  `json:"access_token"`
		Expires float64 `json:"expires_in"`
		Scope   string  `json:"scope"`
		Error   string  `json:"error"`
	}
	err = json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(&answer)
	if s := res.StatusCode; s != http.StatusOK || err != nil || answer.Token == "" {
		if other := otherSpelling(t.scope); answer.Error == "invalid_scope" && other != "" && t.scope == t.o.Scope {
			t.scope = other // tried once; refused as well, the server means it
			return true, errors.New("the token endpoint refused the scope, in both spellings")
		}
		again := s >= 500 || s == http.StatusRequestTimeout || s == http.StatusTooManyRequests || s == http.StatusBadRequest && known
		return again, fmt.Errorf("the token endpoint answered %d", s)
	}
	life := time.Duration(answer.Expires * float64(time.Second))
	if life <= 0 {
		life = 5 * time.Minute
	}
	t.token, t.expires = answer.Token, t.o.Now().Add(life-min(life/10, 30*time.Second))
	t.grant = Grant{Asked: t.scope, Granted: answer.Scope}
	return false, nil
}

// otherSpelling writes scopes of SMART v2 (system/*.rs) as those of v1 (system/*.read), and the other way round; "" when they are neither.
func otherSpelling(scopes string) string {
	all := strings.Fields(scopes)
	for i, s := range all {
		switch {
		case strings.HasPrefix(s, "system/") && strings.HasSuffix(s, ".rs"):
			all[i] = strings.TrimSuffix(s, ".rs") + ".read"
		case strings.HasPrefix(s, "system/") && strings.HasSuffix(s, ".read"):
			all[i] = strings.TrimSuffix(s, ".read") + ".rs"
		default:
			return ""
		}
	}
	return strings.Join(all, " ")
}

// assertion signs who we are, with the key as it is in the file now.
func (t *Transport) assertion() (string, error) {
	raw, err := os.ReadFile(t.o.KeyFile)
	if err != nil {
		return "", errors.New("key_file cannot be read")
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if json.Unmarshal(raw, &set) != nil || len(set.Keys) == 0 {
		set.Keys = []json.RawMessage{raw}
	}
	for _, one := range set.Keys {
		var m jwkset.JWKMarshal
		if json.Unmarshal(one, &m) != nil || t.o.KID != "" && m.KID != t.o.KID && len(set.Keys) > 1 {
			continue
		}
		key, err := jwkset.NewJWKFromMarshal(m, jwkset.JWKMarshalOptions{Private: true}, jwkset.JWKValidateOptions{SkipAll: true})
		if err != nil {
			return "", errors.New("key_file holds no private JWK")
		}
		method := jwt.SigningMethod(jwt.SigningMethodES384)
		if m.KTY == jwkset.KtyRSA {
			method = jwt.SigningMethodRS384
		}
		now := t.o.Now()
		var id [16]byte
		_, _ = rand.Read(id[:]) // never fails
		token := jwt.NewWithClaims(method, jwt.MapClaims{
			"iss": t.o.ClientID, "sub": t.o.ClientID, "aud": t.o.TokenURL, "exp": now.Add(4 * time.Minute).Unix(), "jti": base64.RawURLEncoding.EncodeToString(id[:]),
		})
		token.Header["kid"] = m.KID
		if t.o.KID != "" {
			token.Header["kid"] = t.o.KID
		}
		return token.SignedString(key.Key())
	}
	return "", errors.New("key_file holds no such key")
}
