package config

import (
	"log/slog"
	"net/url"
	"strings"
)

const hidden = "•••"

// Secret holds a value that no printer shows: not fmt with any verb, not JSON, not YAML, not slog. Reveal is the only way to it.
// The zero Secret is not set.
type Secret struct{ value *string }

// NewSecret hides s. An empty s gives a Secret that is not set.
func NewSecret(s string) Secret {
	if s == "" {
		return Secret{}
	}
	return Secret{&s}
}

// Reveal returns the value. Use it where it is sent, and nowhere else.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// IsSet says if there is a value.
func (s Secret) IsSet() bool { return s.value != nil }

// Equal compares the values.
func (s Secret) Equal(t Secret) bool { return s.Reveal() == t.Reveal() }

// String returns "•••", or "" if the secret is not set.
func (s Secret) String() string {
	if s.value == nil {
		return ""
	}
	return hidden
}

// GoString is String, for %#v.
func (s Secret) GoString() string { return s.String() }

// LogValue is String, for slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText is String, for JSON and YAML.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText sets the value.
func (s *Secret) UnmarshalText(text []byte) error {
	*s = NewSecret(string(text))
	return nil
}

// SecretURL is a URL that may carry a password. It prints without it. The zero SecretURL is not set.
type SecretURL struct{ Secret }

// NewSecretURL hides the password in raw.
func NewSecretURL(raw string) SecretURL { return SecretURL{NewSecret(raw)} }

// String returns the URL with "•••" in place of the password and of all values of the query.
func (u SecretURL) String() string {
	raw := u.Reveal()
	raw, query, hasQuery := strings.Cut(raw, "?")
	scheme, rest, ok := strings.Cut(raw, "://")
	if ok {
		hosts, path, slash := strings.Cut(rest, "/")
		if i := strings.LastIndex(hosts, "@"); i >= 0 {
			name, _, _ := strings.Cut(hosts[:i], ":")
			hosts = name + ":" + hidden + hosts[i:]
		}
		raw = scheme + "://" + hosts
		if slash {
			raw += "/" + path
		}
	} else if strings.Contains(raw, "@") {
		return hidden
	}
	if hasQuery {
		raw += "?" + hideValues(query)
	}
	return raw
}

func hideValues(query string) string {
	pairs := strings.Split(query, "&")
	for i, p := range pairs {
		name, _, _ := strings.Cut(p, "=")
		if _, err := url.QueryUnescape(name); err != nil {
			name = ""
		}
		pairs[i] = name + "=" + hidden
	}
	return strings.Join(pairs, "&")
}

// GoString is String, for %#v.
func (u SecretURL) GoString() string { return u.String() }

// LogValue is String, for slog.
func (u SecretURL) LogValue() slog.Value { return slog.StringValue(u.String()) }

// MarshalText is String, for JSON and YAML.
func (u SecretURL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// Equal compares the values.
func (u SecretURL) Equal(v SecretURL) bool { return u.Secret.Equal(v.Secret) }
