package config

import (
	"net/url"
	"strings"
)

// Storage is where exports and their records are kept. It is the truth about every export.
type Storage struct {
	// URL is file:DIR, relative to the working directory or absolute; s3://BUCKET/PREFIX?region=&endpoint=&sse=,
	// gs://BUCKET/PREFIX or azblob://CONTAINER/PREFIX?account=. Credentials are found as the tools of each cloud find them.
	URL string `yaml:"url"`
}

// Dir returns the folder of a file: URL, false if it is not one.
func (s *Storage) Dir() (string, bool) {
	dir, ok := strings.CutPrefix(s.URL, "file:")
	if !ok {
		return "", false
	}
	if rest, full := strings.CutPrefix(dir, "//"); full {
		if !strings.HasPrefix(rest, "/") { // file://host/path
			return "", false
		}
		dir = rest
	}
	return dir, dir != ""
}

func (s *Storage) validate(k *check) {
	const path = "storage.url"
	scheme, _, _ := strings.Cut(s.URL, ":")
	switch scheme {
	case "s3", "gs", "azblob":
		u, err := url.Parse(s.URL)
		switch {
		case err != nil || u.Host == "":
			k.bad(path, displayURL(s.URL), scheme+"://BUCKET/PREFIX")
		case u.User != nil:
			k.bad(path, scheme+"://…@…", scheme+"://BUCKET/PREFIX without credentials: they are found as the tools of the cloud find them")
		}
	default:
		if _, ok := s.Dir(); !ok {
			k.bad(path, displayURL(s.URL), "file:DIR, such as file:./sluice-data or file:/var/lib/sluice, or s3://, gs:// or azblob://BUCKET/PREFIX")
		}
	}
}
