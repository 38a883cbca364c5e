package pull

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// maxRedirects is how many hops one request may take.
const maxRedirects = 5

// session sends the requests of one pull.
type session struct {
	http    *http.Client
	base    *url.URL
	trusted map[string]bool // origins that may see the token
	tokens  *tokens         // nil: no token is used
}

func newSession(ctx context.Context, o Options, base *url.URL) (*session, error) {
	hc := *o.HTTP
	hc.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	s := &session{http: &hc, base: base, trusted: map[string]bool{origin(base): true}}
	for _, t := range o.TokenOrigins {
		u, err := s.parse(t)
		if err != nil {
			return nil, fmt.Errorf("origin %s: %w", printable(t, 100), err)
		}
		s.trusted[origin(u)] = true
	}
	if o.ClientID == "" {
		return s, nil
	}
	var err error
	s.tokens, err = s.discover(ctx, o)
	return s, err
}

// origin is scheme, host and port, which together say who is asked: a token for one port is not for another.
func origin(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[strings.ToLower(u.Scheme)]
	}
	return strings.ToLower(u.Scheme) + "://" + net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}

// parse reads a URL that came from the server, absolute or relative to the base, and refuses to leave https.
func (s *session) parse(address string) (*url.URL, error) { return s.resolve(s.base, address) }

func (s *session) resolve(from *url.URL, address string) (*url.URL, error) {
	u, err := url.Parse(address)
	if err != nil || address == "" {
		return nil, permanentf("the server gave no valid URL") // url.Parse would print it
	}
	if !u.IsAbs() { // an absolute URL may be signed as it stands
		u = from.ResolveReference(u)
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return nil, permanentf("the server gave a URL that is neither http nor https")
	case u.Scheme == "http" && s.base.Scheme == "https":
		return nil, permanentf("the server leads from https to http")
	}
	u.User, u.Fragment = nil, ""
	return u, nil
}

// do sends a request and follows redirects of a GET. With signed, the token goes along to the origins that may see it (FILE-07,
// FILE-11), and an answer 401 to it gets one more try with a new one. The caller closes the body.
func (s *session) do(ctx context.Context, method, address string, h http.Header, signed bool) (*http.Response, error) {
	u, err := s.parse(address)
	if err != nil {
		return nil, err
	}
	for hop := 0; ; hop++ {
		res, err := s.send(ctx, method, u, h, signed)
		if err != nil {
			return nil, err
		}
		to := res.Header.Get("Location")
		if method != http.MethodGet || to == "" || !redirects(res.StatusCode) {
			return res, nil
		}
		drain(res)
		if hop == maxRedirects {
			return nil, permanentf("more than %d redirects", maxRedirects)
		}
		if u, err = s.resolve(u, to); err != nil {
			return nil, err
		}
	}
}

func redirects(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// send makes one hop.
func (s *session) send(ctx context.Context, method string, u *url.URL, h http.Header, signed bool) (*http.Response, error) {
	signed = signed && s.tokens != nil && s.trusted[origin(u)]
	for again := false; ; again = true {
		req, err := http.NewRequestWithContext(ctx, method, u.String(), nil)
		if err != nil {
			return nil, permanentf("the server gave no valid URL")
		}
		req.Header = h.Clone()
		if req.Header == nil {
			req.Header = http.Header{}
		}
		req.Header.Set("User-Agent", "sluice-pull")
		token := ""
		if signed {
			if token, err = s.tokens.get(ctx); err != nil {
				return nil, err
			}
			req.Header.Set("Authorization", "Bearer "+token)
		}
		res, err := s.http.Do(req)
		if err != nil {
			return nil, bare(err)
		}
		if res.StatusCode != http.StatusUnauthorized || !signed || again {
			return res, nil
		}
		s.tokens.reject(token)
		drain(res)
	}
}

// drain lets the connection be used again.
func drain(res *http.Response) {
	_, _ = io.CopyN(io.Discard, res.Body, 64<<10)
	res.Body.Close()
}

// json reads a small open document.
func (s *session) json(ctx context.Context, address string, into any) error {
	res, err := s.do(ctx, http.MethodGet, address, http.Header{"Accept": {"application/json"}}, false)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return answered(res)
	}
	defer res.Body.Close()
	if err := json.NewDecoder(io.LimitReader(res.Body, maxAnswer)).Decode(into); err != nil {
		return permanentf("the answer is no JSON")
	}
	return nil
}

// loopback reports whether a URL leads to this machine.
func loopback(u *url.URL) bool {
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}
