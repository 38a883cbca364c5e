package blobstore

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"sluice/storage"
)

// Location is where a store is, as written in storage.url:
//
//	s3://bucket/prefix?region=&endpoint=&path_style=&sse=&kms_key=
//	gs://bucket/prefix?endpoint=&kms_key=&anonymous=
//	azblob://container/prefix?account=&endpoint=&encryption_scope=
//
// Credentials are never part of it: they come from the usual places of each cloud.
type Location struct {
	Scheme, Bucket string
	Prefix         string // "" or ending with "/"
	params         url.Values
}

// parameters says which each scheme takes.
var parameters = map[string][]string{
	"s3":     {"region", "endpoint", "path_style", "sse", "kms_key"},
	"gs":     {"endpoint", "kms_key", "anonymous"},
	"azblob": {"account", "endpoint", "encryption_scope"},
}

// Parse reads a location. Its errors name what is wrong and hold none of the parameters' values.
func Parse(text string) (Location, error) {
	u, err := url.Parse(text)
	if err != nil {
		return Location{}, fmt.Errorf("not a URL")
	}
	known, ok := parameters[u.Scheme]
	switch {
	case !ok:
		return Location{}, fmt.Errorf("scheme %q: expected s3, gs or azblob", u.Scheme)
	case u.User != nil:
		return Location{}, fmt.Errorf("credentials do not belong into the URL; they are found as the tools of the cloud find them")
	case u.Host == "" || u.Port() != "":
		return Location{}, fmt.Errorf("expected %s://BUCKET/PREFIX", u.Scheme)
	}
	l := Location{Scheme: u.Scheme, Bucket: u.Host, params: u.Query()}
	if prefix := strings.Trim(u.Path, "/"); prefix != "" {
		if !storage.ValidKey(prefix) {
			return Location{}, fmt.Errorf("prefix: expected segments of A-Z a-z 0-9 . _ - with / between them")
		}
		l.Prefix = prefix + "/"
	}
	for name, values := range l.params {
		if !slices.Contains(known, name) {
			return Location{}, fmt.Errorf("parameter %q: expected one of %s", name, strings.Join(known, ", "))
		}
		if len(values) != 1 {
			return Location{}, fmt.Errorf("parameter %q is given twice", name)
		}
	}
	return l, l.check()
}

// check looks at the values of parameters.
func (l Location) check() error {
	if e := l.get("endpoint"); e != "" {
		u, err := url.Parse(e)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" {
			return fmt.Errorf("parameter \"endpoint\": expected http://HOST:PORT or https://HOST")
		}
	}
	if sse := l.get("sse"); !slices.Contains([]string{"", "AES256", "aws:kms", "aws:kms:dsse"}, sse) {
		return fmt.Errorf("parameter \"sse\": expected AES256, aws:kms or aws:kms:dsse")
	}
	if l.Scheme == "s3" && l.get("kms_key") != "" && !strings.HasPrefix(l.get("sse"), "aws:kms") {
		return fmt.Errorf("parameter \"kms_key\" needs sse=aws:kms")
	}
	for _, name := range []string{"path_style", "anonymous"} {
		if !slices.Contains([]string{"", "true", "false"}, l.get(name)) {
			return fmt.Errorf("parameter %q: expected true or false", name)
		}
	}
	return nil
}

func (l Location) get(name string) string { return l.params.Get(name) }
