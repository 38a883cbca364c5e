package stack

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"sluice/auth"
)

// Client asks a Sluice for what package pull does not.
type Client struct {
	Base string // FHIR base
	ID   string
	Key  []byte // private JWK
}

// Token gets an access token.
func (c Client) Token(ctx context.Context) (string, error) {
	base, err := url.Parse(c.Base)
	if err != nil {
		return "", err
	}
	tokenURL := base.Scheme + "://" + base.Host + "/auth/token"
	assertion, err := auth.SignAssertion(c.Key, c.ID, tokenURL, time.Now())
	if err != nil {
		return "", err
	}
	form := url.Values{
		"grant_type": {"client_credentials"}, "scope": {"system/*.rs"}, "client_assertion": {assertion},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, tokenURL, strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := controls.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	var answer struct {
		AccessToken string `json:"access_token"`
		Error       string `json:"error"`
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		return "", fmt.Errorf("token: %s: %w", res.Status, err)
	}
	if answer.AccessToken == "" {
		return "", fmt.Errorf("token: %s: %s", res.Status, answer.Error)
	}
	return answer.AccessToken, nil
}

// KickOff starts an export at a path below the base and returns its status URL.
func (c Client) KickOff(ctx context.Context, path string) (string, error) {
	token, err := c.Token(ctx)
	if err != nil {
		return "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.Base+path, nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Prefer", "respond-async")
	req.Header.Set("Accept", "application/fhir+json")
	res, err := controls.Do(req)
	if err != nil {
		return "", err
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusAccepted {
		return "", fmt.Errorf("kick-off: %s", res.Status)
	}
	return res.Header.Get("Content-Location"), nil
}

// Delete asks the server to forget an export; one that it does not know (any more) is forgotten.
func (c Client) Delete(ctx context.Context, status string) error {
	token, err := c.Token(ctx)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodDelete, status, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := controls.Do(req)
	if err != nil {
		return err
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusAccepted && res.StatusCode != http.StatusNotFound {
		return fmt.Errorf("delete: %s", res.Status)
	}
	return nil
}
