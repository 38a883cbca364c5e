package fhir

import (
	"net/url"
	"strings"
)

// Reference names one resource by type and id.
type Reference struct {
	Type, ID string
}

// String returns "Type/id".
func (r Reference) String() string { return r.Type + "/" + r.ID }

// ParseReference reads a literal reference to a resource of R4: "Type/id", "Type/id/_history/v", or either as an absolute URL under
// one of bases. Under means same scheme, host and port, and the base's path as whole segments. All else is false: "#contained",
// "urn:", other servers, conditional references.
func ParseReference(s string, bases ...string) (Reference, bool) {
	if r, ok := parseRelative(s); ok {
		return r, true
	}
	if !strings.Contains(s, "://") {
		return Reference{}, false
	}
	for _, base := range bases {
		if rest, ok := under(s, base); ok {
			return parseRelative(rest)
		}
	}
	return Reference{}, false
}

func parseRelative(s string) (Reference, bool) {
	typ, rest, _ := strings.Cut(s, "/")
	id, version, versioned := strings.Cut(rest, "/")
	if !ValidID(id) || !ValidType(typ) {
		return Reference{}, false
	}
	if versioned {
		version, found := strings.CutPrefix(version, "_history/")
		if !found || !ValidID(version) {
			return Reference{}, false
		}
	}
	return Reference{Type: typ, ID: id}, true
}

// under returns what follows base and a slash in the absolute URL s.
func under(s, base string) (string, bool) {
	base = strings.TrimRight(base, "/")
	if rest, ok := strings.CutPrefix(s, base+"/"); ok && base != "" {
		return rest, true // the usual case, without parsing
	}
	u, err := url.Parse(s)
	if err != nil {
		return "", false
	}
	b, err := url.Parse(base)
	if err != nil || authority(u) != authority(b) || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return "", false
	}
	return strings.CutPrefix(u.EscapedPath(), b.EscapedPath()+"/")
}

// authority returns scheme, host and port of u, spelled one way; what has user information is like nothing else.
func authority(u *url.URL) string {
	scheme, port := strings.ToLower(u.Scheme), u.Port()
	switch {
	case u.Host == "" || u.User != nil:
		return "none:" + u.String()
	case port == "" && scheme == "https":
		port = "443"
	case port == "" && scheme == "http":
		port = "80"
	}
	return scheme + "://" + strings.ToLower(u.Hostname()) + ":" + port
}
