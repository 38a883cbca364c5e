package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode"
)

// Client is one registered Backend Services client. Its keys come from exactly one of JWKS, JWKSFile and JWKSURI.
type Client struct {
	ID      string `json:"id" yaml:"id"`
	Name    string `json:"name,omitempty" yaml:"name,omitempty"`
	Contact string `json:"contact,omitempty" yaml:"contact,omitempty"`
	Purpose string `json:"purpose,omitempty" yaml:"purpose,omitempty"` // for the accounting of disclosures
	// JWKS is the inline set of public keys; with JWKSFile it is what that file held when it was last read.
	JWKS     json.RawMessage `json:"jwks,omitempty" yaml:"jwks,omitempty"`
	JWKSFile string          `json:"jwks_file,omitempty" yaml:"jwks_file,omitempty"` // relative to the client file
	JWKSURI  string          `json:"jwks_uri,omitempty" yaml:"jwks_uri,omitempty"`
	Scopes   []string        `json:"scopes" yaml:"scopes"`                     // most the client may be granted
	Groups   []string        `json:"groups,omitempty" yaml:"groups,omitempty"` // Groups it may export; empty: any
	Enabled  bool            `json:"enabled" yaml:"enabled"`                   // default true; false: no token, and tokens stop working
	Limits   Limits          `json:"limits,omitzero" yaml:"limits,omitempty"`
}

// Limits of one client; 0 takes the configured default.
type Limits struct {
	Jobs   int `json:"jobs,omitempty" yaml:"jobs,omitempty"`     // exports running at once
	Queued int `json:"queued,omitempty" yaml:"queued,omitempty"` // exports waiting; past it 429
}

// Registry holds the clients. Implementations are safe for concurrent use and notice changes without a restart.
type Registry interface {
	// Client returns the client, disabled ones too. ErrUnknownClient: there is none; any other error: nobody knows now.
	Client(ctx context.Context, id string) (*Client, error)
	// Clients returns all clients, by id.
	Clients(ctx context.Context) ([]*Client, error)
}

// ValidClientID tells ids a client may have: [A-Za-z0-9._-]{1,64}, not "." or "..".
func ValidClientID(id string) bool { return idChars(id, "._-") }

// idChars tells 1 to 64 letters, digits and characters of extra, and no path segment with a meaning of its own.
func idChars(id, extra string) bool {
	if id == "" || len(id) > 64 || id == "." || id == ".." {
		return false
	}
	for i := range len(id) {
		c := id[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && strings.IndexByte(extra, c) < 0 {
			return false
		}
	}
	return true
}

// Check reports everything that is wrong with a registration, joined into one error.
func (c *Client) Check() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }

	if !ValidClientID(c.ID) {
		bad("id: want 1 to 64 of A-Z a-z 0-9 . _ -, and not . or ..")
	}
	for name, text := range map[string]string{"name": c.Name, "contact": c.Contact, "purpose": c.Purpose} {
		if len(text) > 512 || strings.ContainsFunc(text, unicode.IsControl) {
			bad("%s: want at most 512 bytes on one line", name)
		}
	}
	errs = append(errs, c.checkKeys(), c.checkScopes())
	for _, g := range c.Groups {
		if !idChars(g, ".-") {
			bad("groups: %q is no FHIR id", g)
		}
	}
	if c.Limits.Jobs < 0 || c.Limits.Queued < 0 {
		bad("limits: want 0 (the default) or more")
	}
	return errors.Join(errs...)
}

func (c *Client) checkScopes() error {
	if len(c.Scopes) == 0 {
		return errors.New("scopes: none; say for example [system/*.rs]")
	}
	var errs []error
	for _, s := range c.Scopes {
		sc, err := ParseScope(s)
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("scopes: %w", err))
		case sc.Context != "system":
			errs = append(errs, fmt.Errorf("scopes: %q gives no bulk right; want system/", s))
		case sc.Query != "":
			errs = append(errs, fmt.Errorf("scopes: %q: granular scopes are not supported", s))
		}
	}
	return errors.Join(errs...)
}

func (c *Client) checkKeys() error {
	sources := 0
	for _, has := range []bool{len(c.JWKS) > 0 && c.JWKSFile == "", c.JWKSFile != "", c.JWKSURI != ""} {
		if has {
			sources++
		}
	}
	if sources != 1 {
		return errors.New("keys: want exactly one of jwks, jwks_file and jwks_uri")
	}
	if c.JWKSURI != "" {
		return checkJWKSURI(c.JWKSURI)
	}
	keys, notes, err := parseJWKS(c.JWKS)
	if err != nil {
		return fmt.Errorf("jwks: %w", err)
	}
	if len(keys) == 0 {
		return fmt.Errorf("jwks: no usable key: %s", strings.Join(append(notes, "want ES384 (P-384) or RS384 (RSA of 2048 bits or more)"), "; "))
	}
	return nil
}

// checkJWKSURI: TOK-07, keys are fetched over HTTPS only.
func checkJWKSURI(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.Fragment != "" {
		return errors.New("jwks_uri: want an absolute https URL without user or fragment")
	}
	return nil
}

// scopes are the registered scopes, parsed.
func (c *Client) scopes() Scopes {
	var scopes Scopes
	for _, s := range c.Scopes {
		if sc, err := ParseScope(s); err == nil {
			scopes = append(scopes, sc)
		}
	}
	return scopes
}

// clone gives a copy that the caller may change.
func (c *Client) clone() *Client {
	d := *c
	d.JWKS, d.Scopes, d.Groups = slices.Clone(c.JWKS), slices.Clone(c.Scopes), slices.Clone(c.Groups)
	return &d
}
