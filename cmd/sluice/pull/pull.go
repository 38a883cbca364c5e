// Package pull is a Bulk Data client: token, kick-off, polling, download, with every line and count checked. It works against any
// server of the Bulk Data Access guide.
package pull

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"sluice/auth"
	"sluice/bulkdata"
	"sluice/fhir"
)

// Options say what to export from where.
type Options struct {
	URL      string // FHIR base
	ClientID string
	Key      []byte // private JWK
	Level    bulkdata.Level
	GroupID  string
	Types    []string
	Since    string
	Dir      string
	HTTP     *http.Client
	Progress func(string) // told what the server says while it works
}

// File is one downloaded file.
type File struct {
	Type, Path   string
	Lines, Bytes int64
}

// Result is a finished pull.
type Result struct {
	TransactionTime string
	Output, Errors  []File
}

// client is one pull under way.
type client struct {
	o       Options
	tokens  string
	token   string
	expires time.Time
}

// Run exports and downloads; it returns when every file is whole and every count agrees. When ctx ends first, the job is deleted.
func Run(ctx context.Context, o Options) (*Result, error) {
	c, err := newClient(ctx, o)
	if err != nil {
		return nil, err
	}
	status, err := c.kickoff(ctx)
	if err != nil {
		return nil, err
	}
	return c.finish(ctx, status)
}

// Resume goes on with an export that was kicked off before, by its status URL.
func Resume(ctx context.Context, o Options, status string) (*Result, error) {
	c, err := newClient(ctx, o)
	if err != nil {
		return nil, err
	}
	return c.finish(ctx, status)
}

func newClient(ctx context.Context, o Options) (*client, error) {
	if o.HTTP == nil {
		o.HTTP = &http.Client{Transport: &http.Transport{ResponseHeaderTimeout: time.Minute, DisableCompression: true, Proxy: http.ProxyFromEnvironment}}
	}
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	o.URL = strings.TrimSuffix(o.URL, "/")
	c := &client{o: o}
	var conf struct {
		TokenEndpoint string `json:"token_endpoint"`
	}
	if err := c.json(ctx, o.URL+"/.well-known/smart-configuration", &conf); err != nil {
		return nil, fmt.Errorf("discovery: %w", err)
	}
	c.tokens = conf.TokenEndpoint
	return c, nil
}

// finish waits for the export and downloads it.
func (c *client) finish(ctx context.Context, status string) (*Result, error) {
	m, err := c.poll(ctx, status)
	if err != nil {
		if ctx.Err() != nil {
			c.delete(ctx, status)
		}
		return nil, err
	}
	res := &Result{TransactionTime: m.TransactionTime}
	if err := os.MkdirAll(c.o.Dir, 0o700); err != nil {
		return nil, err
	}
	if res.Output, err = c.files(ctx, m.Output, m.RequiresAccessToken); err != nil {
		return nil, err
	}
	res.Errors, err = c.files(ctx, m.Error, m.RequiresAccessToken)
	return res, err
}

func (c *client) kickoff(ctx context.Context) (string, error) {
	path := map[bulkdata.Level]string{bulkdata.System: "/$export", bulkdata.Patient: "/Patient/$export", bulkdata.Group: "/Group/" + url.PathEscape(c.o.GroupID) + "/$export"}[c.o.Level]
	q := url.Values{}
	if len(c.o.Types) > 0 {
		q.Set("_type", strings.Join(c.o.Types, ","))
	}
	if c.o.Since != "" {
		q.Set("_since", c.o.Since)
	}
	address := c.o.URL + path
	if len(q) > 0 {
		address += "?" + q.Encode()
	}
	res, err := c.do(ctx, http.MethodGet, address, http.Header{"Accept": {fhir.MediaType}, "Prefer": {"respond-async"}}, true)
	if err != nil {
		return "", fmt.Errorf("kick-off: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusAccepted {
		return "", fmt.Errorf("kick-off: %w", failure(res))
	}
	return res.Header.Get("Content-Location"), nil
}

func (c *client) poll(ctx context.Context, status string) (*bulkdata.Manifest, error) {
	for {
		res, err := c.do(ctx, http.MethodGet, status, http.Header{"Accept": {"application/json"}}, true)
		if err != nil {
			return nil, fmt.Errorf("status: %w", err)
		}
		switch res.StatusCode {
		case http.StatusOK:
			m := new(bulkdata.Manifest)
			err := json.NewDecoder(res.Body).Decode(m)
			res.Body.Close()
			return m, err
		case http.StatusAccepted, http.StatusTooManyRequests, http.StatusServiceUnavailable:
			c.o.Progress(res.Header.Get("X-Progress"))
			res.Body.Close()
		default:
			err := failure(res)
			res.Body.Close()
			return nil, fmt.Errorf("export failed: %w", err)
		}
		wait, ok := bulkdata.ParseRetryAfter(res.Header.Get("Retry-After"), time.Now())
		if !ok {
			wait = 2 * time.Second
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(min(wait, time.Minute)):
		}
	}
}

func (c *client) delete(ctx context.Context, status string) {
	ctx, done := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer done()
	if res, err := c.do(ctx, http.MethodDelete, status, nil, true); err == nil {
		res.Body.Close()
	}
}

var unsafeName = regexp.MustCompile(`[^A-Za-z0-9._-]`)

func (c *client) files(ctx context.Context, list []bulkdata.File, signed bool) ([]File, error) {
	var out []File
	for i, f := range list {
		u, err := url.Parse(f.URL)
		if err != nil {
			return out, errors.New("a file of the manifest has no valid URL")
		}
		name := strings.TrimLeft(unsafeName.ReplaceAllString(u.Path[strings.LastIndex(u.Path, "/")+1:], "_"), ".")
		if name == "" {
			name = fmt.Sprintf("%s.%d.ndjson", f.Type, i+1)
		}
		got := File{Type: f.Type, Path: filepath.Join(c.o.Dir, name)}
		for try := 0; ; try++ {
			if err = c.download(ctx, f, &got, signed); err == nil || try == 3 || ctx.Err() != nil {
				break
			}
		}
		if err != nil {
			return out, fmt.Errorf("%s: %w", name, err)
		}
		out = append(out, got)
	}
	return out, nil
}

// download fetches one file whole, checks each line, and gives it its name only then.
func (c *client) download(ctx context.Context, f bulkdata.File, got *File, signed bool) error {
	res, err := c.do(ctx, http.MethodGet, f.URL, http.Header{"Accept": {fhir.MediaTypeNDJSON}, "Accept-Encoding": {"gzip"}}, signed)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return failure(res)
	}
	body := io.Reader(res.Body)
	if res.Header.Get("Content-Encoding") == "gzip" {
		if body, err = gzip.NewReader(body); err != nil {
			return err
		}
	}
	w, err := os.OpenFile(got.Path+".part", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer w.Close()
	got.Lines, got.Bytes = 0, 0
	in, out := bufio.NewReaderSize(body, 1<<20), bufio.NewWriterSize(w, 1<<20)
	for {
		line, err := in.ReadBytes('\n')
		if len(line) > 0 {
			h, perr := fhir.Peek(bytes.TrimSuffix(line, []byte("\n")))
			if perr != nil || h.ResourceType != f.Type && f.Type != "" {
				return fmt.Errorf("line %d is no %s", got.Lines+1, f.Type)
			}
			got.Lines++
			got.Bytes += int64(len(line))
			if _, err := out.Write(line); err != nil {
				return err
			}
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
	}
	if f.Count != 0 && f.Count != got.Lines {
		return fmt.Errorf("has %d lines, the manifest says %d", got.Lines, f.Count)
	}
	if err := errors.Join(out.Flush(), w.Sync(), w.Close()); err != nil {
		return err
	}
	return os.Rename(got.Path+".part", got.Path)
}

// do sends one request, with a token that is still good when signed. The token goes to the server's own origin only.
func (c *client) do(ctx context.Context, method, address string, h http.Header, signed bool) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, address, nil)
	if err != nil {
		return nil, err
	}
	for k, v := range h {
		req.Header[k] = v
	}
	base, err := url.Parse(c.o.URL)
	if err != nil {
		return nil, err
	}
	if signed && c.o.ClientID != "" && base.Scheme == req.URL.Scheme && base.Host == req.URL.Host {
		if time.Until(c.expires) < 30*time.Second {
			if err := c.newToken(ctx); err != nil {
				return nil, fmt.Errorf("token: %w", err)
			}
		}
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	return c.o.HTTP.Do(req)
}

func (c *client) newToken(ctx context.Context) error {
	assertion, err := auth.SignAssertion(c.o.Key, c.o.ClientID, c.tokens, time.Now())
	if err != nil {
		return err
	}
	form := url.Values{
		"grant_type": {"client_credentials"}, "scope": {"system/*.rs"}, "client_assertion": {assertion},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.tokens, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := c.o.HTTP.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	var t struct {
		Token   string `json:"access_token"`
		Expires int    `json:"expires_in"`
		Error   string `json:"error"`
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(&t); err != nil {
		return err
	}
	if t.Token == "" {
		return fmt.Errorf("the server answered %d %s", res.StatusCode, t.Error)
	}
	c.token, c.expires = t.Token, time.Now().Add(time.Duration(t.Expires)*time.Second)
	return nil
}

func (c *client) json(ctx context.Context, address string, into any) error {
	res, err := c.do(ctx, http.MethodGet, address, http.Header{"Accept": {"application/json"}}, false)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return failure(res)
	}
	return json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(into)
}

// failure makes an error of an answer, in the words of its OperationOutcome if it has one.
func failure(res *http.Response) error {
	var out fhir.OperationOutcome
	_ = json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(&out)
	text := res.Status
	for _, is := range out.Issue {
		text += ": " + is.Diagnostics
	}
	return errors.New(text)
}
