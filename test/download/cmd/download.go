package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// The two codings of a file.
const (
	gzipCoding = "gzip"
	identity   = "identity"
)

// client sends requests with one access token.
type client struct{ token string }

func (c client) request(method, url string, header map[string]string) (*http.Request, error) {
	r, err := http.NewRequest(method, url, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+c.token)
	for k, v := range header {
		r.Header.Set(k, v)
	}
	return r, nil
}

// download fetches each file in both codings and looks at each line.
func (c client) download(files []file, out io.Writer) error {
	for _, f := range files {
		for _, coding := range []string{gzipCoding, identity} {
			lines, size, sum, err := c.fetch(f, coding)
			if err != nil {
				return fmt.Errorf("%s as %s: %w", f.name(), coding, err)
			}
			fmt.Fprintf(out, "go %s %s %d %d %s\n", coding, f.name(), lines, size, sum)
		}
	}
	return nil
}

// fetch leaves the coding gzip to net/http itself, which asks for it and inflates.
func (c client) fetch(f file, coding string) (lines int, size int64, sum string, err error) {
	header := map[string]string{}
	if coding == identity {
		header["Accept-Encoding"] = identity
	}
	r, err := c.request(http.MethodGet, f.URL, header)
	if err != nil {
		return 0, 0, "", err
	}
	res, err := (&http.Client{Timeout: time.Minute}).Do(r)
	if err != nil {
		return 0, 0, "", err
	}
	defer res.Body.Close()
	switch {
	case res.StatusCode != http.StatusOK:
		return 0, 0, "", fmt.Errorf("answer %s", res.Status)
	case res.Header.Get("Content-Type") != "application/fhir+ndjson":
		return 0, 0, "", fmt.Errorf("Content-Type %q", res.Header.Get("Content-Type"))
	case res.Uncompressed != (coding == gzipCoding):
		return 0, 0, "", fmt.Errorf("it did not come in that coding")
	}
	hash := sha256.New()
	body := bufio.NewReaderSize(io.TeeReader(res.Body, hash), 64<<10)
	for {
		line, err := body.ReadBytes('\n')
		size += int64(len(line))
		if err == io.EOF && len(line) == 0 {
			return lines, size, fmt.Sprintf("%x", hash.Sum(nil)), nil
		}
		if err != nil {
			return 0, 0, "", fmt.Errorf("line %d: %w", lines+1, err)
		}
		lines++
		var resource struct {
			ResourceType string `json:"resourceType"`
		}
		if err := json.Unmarshal(line, &resource); err != nil {
			return 0, 0, "", fmt.Errorf("line %d is no JSON", lines)
		}
		if resource.ResourceType != f.Type {
			return 0, 0, "", fmt.Errorf("line %d is of another type", lines)
		}
	}
}
