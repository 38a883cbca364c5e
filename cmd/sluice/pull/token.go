package pull

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"sluice/auth"
)

// tokens has the access token of one pull and gets the next before it expires. It is safe for concurrent use: who comes while a
// token is being fetched waits for it.
type tokens struct {
	http       *http.Client
	url, scope string
	clientID   string
	key        []byte // private JWK
	mu         sync.Mutex
	value      string
	renews     time.Time
}

// get returns a token that is good for a while.
func (t *tokens) get(ctx context.Context) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.value != "" && time.Now().Before(t.renews) {
		return t.value, nil
	}
	if err := t.fetch(ctx); err != nil {
		return "", fmt.Errorf("token: %w", err)
	}
	return t.value, nil
}

// reject forgets a token that the server did not take.
func (t *tokens) reject(value string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.value == value {
		t.value = ""
	}
}

// fetch: SMART Backend Services, Obtain access token.
func (t *tokens) fetch(ctx context.Context) error {
	now := time.Now()
	assertion, err := auth.SignAssertion(t.key, t.clientID, t.url, now)
	if err != nil {
		return permanent{err}
	}
	form := url.Values{
		"grant_type":            {"client_credentials"},
		"scope":                 {t.scope},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		"client_assertion":      {assertion},
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.url, strings.NewReader(form.Encode()))
	if err != nil {
		return permanentf("the token endpoint has no valid URL")
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	res, err := t.http.Do(req)
	if err != nil {
		return bare(err)
	}
	defer res.Body.Close()
	var body struct {
		Token       string          `json:"access_token"`
		Expires     json.RawMessage `json:"expires_in"` // a number; some servers send a string
		Code        string          `json:"error"`
		Description string          `json:"error_description"`
	}
	err = json.NewDecoder(io.LimitReader(res.Body, maxAnswer)).Decode(&body)
	if res.StatusCode != http.StatusOK {
		return &TokenError{Status: res.StatusCode, Code: body.Code, Description: body.Description}
	}
	if err != nil || body.Token == "" {
		return permanentf("the token endpoint answered 200 without a token")
	}
	life := 300 * time.Second
	if n, err := strconv.ParseFloat(strings.Trim(string(body.Expires), `"`), 64); err == nil && n > 0 {
		life = time.Duration(min(n, 86400) * float64(time.Second))
	}
	t.value, t.renews = body.Token, now.Add(life-min(30*time.Second, life/4))
	return nil
}

// discover: SMART App Launch, .well-known/smart-configuration. It gives the token endpoint and what scopes the server speaks of.
func (s *session) discover(ctx context.Context, o Options) (*tokens, error) {
	key, err := privateJWK(o.Key, o.KID)
	if err != nil {
		return nil, permanentf("client key: %w", err)
	}
	t := &tokens{http: s.http, url: o.TokenURL, scope: o.Scope, clientID: o.ClientID, key: key}
	if t.url == "" || t.scope == "" {
		var conf struct {
			TokenEndpoint string   `json:"token_endpoint"`
			Scopes        []string `json:"scopes_supported"`
			Capabilities  []string `json:"capabilities"`
		}
		err := s.json(ctx, s.base.String()+"/.well-known/smart-configuration", &conf)
		switch {
		case err != nil && t.url == "":
			return nil, fmt.Errorf("discovery: %w", err)
		case t.url == "" && conf.TokenEndpoint == "":
			return nil, permanentf("discovery: the server names no token endpoint")
		case t.url == "":
			t.url = conf.TokenEndpoint
		}
		if t.scope == "" {
			t.scope = "system/*.rs"
			if !slices.Contains(conf.Scopes, t.scope) && !slices.Contains(conf.Capabilities, "permission-v2") &&
				(slices.Contains(conf.Scopes, "system/*.read") || slices.Contains(conf.Capabilities, "permission-v1")) {
				t.scope = "system/*.read"
			}
		}
	}
	if _, err := s.parse(t.url); err != nil {
		return nil, fmt.Errorf("token endpoint: %w", err)
	}
	return t, nil
}
