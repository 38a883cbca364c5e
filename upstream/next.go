package upstream

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// maxNext bounds the length of a next link.
const maxNext = 16 << 10

// errElsewhere is the cause of an Error about a link or redirect that leads away from the upstream. No request was sent there.
var errElsewhere = errors.New("leads to another server")

// A cursor is what Page hands out for the next page: the part of the next link below the base, "/Observation?page=2" or
// "?_getpages=…", its query byte for byte as the upstream wrote it. It holds no authority, so it can only lead to the base.

// cursorOf turns the next link of a page that came from request into a cursor. A link is hostile input: it is resolved against the
// request (RFC 3986), must lead to the base or one of its aliases, and is re-anchored on the base.
func (c *Client) cursorOf(request *url.URL, link string) (string, error) {
	if len(link) > maxNext {
		return "", errors.New("next link is too long")
	}
	u, err := url.Parse(link)
	if err != nil {
		u, err = url.Parse(repairPort(link))
	}
	if err != nil {
		return "", errors.New("next link cannot be read as a URL")
	}
	if u.User != nil || u.Opaque != "" || strings.Contains(link, "#") || strings.Contains(link, `\`) {
		return "", errors.New("next link has parts that do not belong there")
	}
	u = request.ResolveReference(u)
	rest, ok := c.restOf(u)
	if !ok {
		return "", fmt.Errorf("next link %w: %s", errElsewhere, safeAuthority(u))
	}
	if err := checkPath(rest); err != nil {
		return "", fmt.Errorf("next link: %w", err)
	}
	if u.RawQuery != "" {
		rest += "?" + escapeQuery(u.RawQuery)
	}
	if rest == "" {
		rest = "/"
	}
	return rest, nil
}

// urlOf returns the URL of a cursor. Cursors come back from storage, so they are checked again.
func (c *Client) urlOf(cursor string) (*url.URL, error) {
	if cursor == "" || cursor[0] != '/' && cursor[0] != '?' || strings.Contains(cursor, "#") {
		return nil, errors.New("cursor is no cursor")
	}
	u, err := url.Parse(c.base.String() + cursor)
	if err != nil || !c.base.holds(u) {
		return nil, errors.New("cursor leads away from the upstream")
	}
	return u, nil
}

// restOf returns the path of u below the base or an alias.
func (c *Client) restOf(u *url.URL) (string, bool) {
	if rest, ok := c.base.rest(u); ok {
		return rest, true
	}
	for _, a := range c.aliases {
		if rest, ok := a.rest(u); ok {
			return rest, true
		}
	}
	return "", false
}

// repairPort drops the repetitions of a port, as some proxies add them: https://host:443:443/ becomes https://host:443/.
func repairPort(link string) string {
	scheme, rest, ok := strings.Cut(link, "://")
	if !ok {
		return link
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	auth := rest[:end]
	for {
		i := strings.LastIndexByte(auth, ':')
		if i < 1 || !digits(auth[i+1:]) || !strings.HasSuffix(auth[:i], auth[i:]) {
			return scheme + "://" + auth + rest[end:]
		}
		auth = auth[:i]
	}
}

func digits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// escapeQuery escapes only the bytes that cannot stand in a request line.
func escapeQuery(q string) string {
	var b strings.Builder
	for i := range len(q) {
		if q[i] <= ' ' || q[i] >= 0x7f {
			fmt.Fprintf(&b, "%%%02X", q[i])
		} else {
			b.WriteByte(q[i])
		}
	}
	return b.String()
}

// safeAuthority returns scheme and authority of a URL for an operator to read, whatever the upstream wrote there.
func safeAuthority(u *url.URL) string {
	s := u.Scheme + "://" + u.Host
	if len(s) > 100 || strings.ContainsFunc(s, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:/[]", r)
	}) {
		return "an address that cannot be shown"
	}
	return s
}
