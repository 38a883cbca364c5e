package auth

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

const fetchTimeout = 5 * time.Second

var errAddress = errors.New("address not allowed")

// newFetchClient makes the HTTP client for key sets at addresses chosen by others: the address is checked after the name is
// resolved, at each connection, so that neither a name nor a rebinding DNS answer leads inside. No proxy, no redirects.
func newFetchClient(roots *x509.CertPool, allowPrivate bool) *http.Client {
	dialer := &net.Dialer{
		Timeout: fetchTimeout,
		Control: func(_, address string, _ syscall.RawConn) error {
			ap, err := netip.ParseAddrPort(address)
			if err != nil || !allowedAddr(ap.Addr(), allowPrivate) {
				return errAddress
			}
			return nil
		},
	}
	return limitFetch(&http.Client{Transport: &http.Transport{
		DialContext:            dialer.DialContext,
		TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    fetchTimeout,
		ResponseHeaderTimeout:  fetchTimeout,
		MaxResponseHeaderBytes: maxJWKS,
		MaxIdleConns:           16,
		IdleConnTimeout:        30 * time.Second,
		ForceAttemptHTTP2:      true,
	}})
}

// limitFetch gives a copy of c with our limits: no redirect is followed, and it ends.
func limitFetch(c *http.Client) *http.Client {
	d := *c
	d.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	d.Jar = nil
	d.Timeout = fetchTimeout
	return &d
}

// Networks that are no place for a client's keys although netip calls them global unicast.
var reserved = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"),    // carrier NAT, also cloud metadata
	netip.MustParsePrefix("192.0.0.0/24"),     // IETF protocols
	netip.MustParsePrefix("192.0.2.0/24"),     // documentation
	netip.MustParsePrefix("198.18.0.0/15"),    // benchmarks
	netip.MustParsePrefix("198.51.100.0/24"),  // documentation
	netip.MustParsePrefix("203.0.113.0/24"),   // documentation
	netip.MustParsePrefix("240.0.0.0/4"),      // reserved, broadcast
	netip.MustParsePrefix("168.63.129.16/32"), // a cloud's host agent
	netip.MustParsePrefix("64:ff9b::/96"),     // NAT64: an IPv4 address inside
	netip.MustParsePrefix("64:ff9b:1::/48"),
	netip.MustParsePrefix("2001::/23"), // Teredo and other protocols
	netip.MustParsePrefix("2001:db8::/32"),
	netip.MustParsePrefix("2002::/16"), // 6to4: an IPv4 address inside
	netip.MustParsePrefix("fec0::/10"),
}

// allowedAddr tells addresses a key set may be fetched from. Link-local, multicast and unspecified ones never are: nobody's keys
// live there, but cloud metadata does.
func allowedAddr(a netip.Addr, allowPrivate bool) bool {
	a = a.Unmap().WithZone("")
	switch {
	case a.IsLoopback() || a.IsPrivate():
		return allowPrivate
	case !a.IsGlobalUnicast() || a.IsLinkLocalUnicast():
		return false
	}
	for _, p := range reserved {
		if p.Contains(a) {
			return allowPrivate
		}
	}
	return true
}

// fetchJWKS gets the key set at url, which checkJWKSURI has approved.
func fetchJWKS(ctx context.Context, c *http.Client, url string) (body []byte, header http.Header, err error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, nil, errors.New("fetch key set: bad URL")
	}
	req.Header.Set("Accept", "application/jwk-set+json, application/json")
	resp, err := c.Do(req)
	if err != nil {
		return nil, nil, fmt.Errorf("fetch key set: %w", withoutURL(err))
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, nil, fmt.Errorf("fetch key set: status %d", resp.StatusCode)
	}
	if mt, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type")); err == nil && mt == "text/html" {
		return nil, nil, errors.New("fetch key set: an HTML page")
	}
	body, err = io.ReadAll(io.LimitReader(resp.Body, maxJWKS+1))
	if err != nil {
		return nil, nil, errors.New("fetch key set: body cut")
	}
	if len(body) > maxJWKS {
		return nil, nil, errors.New("fetch key set: larger than 64 KiB")
	}
	return body, resp.Header, nil
}
