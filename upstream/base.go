package upstream

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// base is one FHIR base URL: authority and path prefix. A URL belongs to it when scheme, host and port are the same and its path
// begins with the same segments.
type base struct {
	url    *url.URL // no slash at the end
	scheme string
	host   string // lower case, without port
	port   int
	prefix string // escaped path, no slash at the end
}

func parseBase(s string) (base, error) {
	u, err := url.Parse(s)
	switch {
	case s == "":
		return base{}, errors.New("url is missing")
	case err != nil:
		return base{}, errors.New("url cannot be read as a URL") // the parser's text repeats it, credentials and all
	case u.Scheme != "http" && u.Scheme != "https" || u.Opaque != "":
		return base{}, errors.New("url must begin with http:// or https://")
	case u.User != nil:
		return base{}, errors.New("url must not hold a user or password; use auth")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return base{}, errors.New("url must not have a query or fragment")
	}
	u = u.ResolveReference(&url.URL{Path: u.Path, RawPath: u.RawPath}) // "." and ".." segments
	u.Path, u.RawPath = strings.TrimRight(u.Path, "/"), strings.TrimRight(u.RawPath, "/")
	host, port, err := authority(u)
	if err != nil {
		return base{}, fmt.Errorf("url: %w", err)
	}
	if err := checkPath(u.EscapedPath()); err != nil {
		return base{}, fmt.Errorf("url: %w", err)
	}
	return base{url: u, scheme: u.Scheme, host: host, port: port, prefix: u.EscapedPath()}, nil
}

func parseAliases(all []string) ([]base, error) {
	var bases []base
	for _, s := range all {
		b, err := parseBase(s)
		if err != nil {
			return nil, fmt.Errorf("base alias: %w", err)
		}
		bases = append(bases, b)
	}
	slices.SortStableFunc(bases, func(a, b base) int { return cmp.Compare(len(b.prefix), len(a.prefix)) })
	return bases, nil
}

func (b base) String() string { return b.url.String() }

// sameAuthority tells whether u has the scheme, host and port of the base. Default ports are the same as none.
func (b base) sameAuthority(u *url.URL) bool {
	host, port, err := authority(u)
	return err == nil && u.Scheme == b.scheme && host == b.host && port == b.port
}

// rest returns the escaped path of u below the base: "" or "/…". ok is false when u is not below it.
func (b base) rest(u *url.URL) (rest string, ok bool) {
	if !b.sameAuthority(u) {
		return "", false
	}
	path := u.EscapedPath()
	if rest, ok = strings.CutPrefix(path, b.prefix); ok && (rest == "" || rest[0] == '/') {
		return rest, true
	}
	return "", false
}

// holds tells whether a request may go to u: below the base and nothing hidden in it.
func (b base) holds(u *url.URL) bool {
	if _, ok := b.rest(u); !ok {
		return false
	}
	return u.User == nil && u.Opaque == "" && checkPath(u.EscapedPath()) == nil
}

// authority returns the host and port of u: lower case, the default port of the scheme when none is given.
func authority(u *url.URL) (host string, port int, err error) {
	host = strings.ToLower(u.Hostname())
	if host == "" || strings.ContainsFunc(host, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`%\<>"`, r) }) {
		return "", 0, errors.New("host is missing or has characters that do not belong there")
	}
	switch p := u.Port(); {
	case p != "":
		if port, err = strconv.Atoi(p); err != nil || port < 1 || port > 65535 {
			return "", 0, errors.New("port is out of range")
		}
	case u.Scheme == "https":
		port = 443
	case u.Scheme == "http":
		port = 80
	}
	return host, port, nil
}

// checkPath refuses paths that a server may read in another way than we do: escaped dots, slashes and backslashes in segments.
func checkPath(escaped string) error {
	for segment := range strings.SplitSeq(escaped, "/") {
		s, err := url.PathUnescape(segment)
		if err != nil || s == "." || s == ".." || strings.ContainsFunc(s, func(r rune) bool { return r == '/' || r == '\\' || r < ' ' || r == 0x7f }) {
			return errors.New("path has segments that do not belong there")
		}
	}
	return nil
}
