package stack

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"sluice/test/fhirserver"
)

// Upstream is a fake FHIR server in a process of its own.
type Upstream struct {
	*Process
	URL string // its FHIR base
}

// StartUpstream starts it and waits until it answers. args are those of the command fhirserver.
func StartUpstream(b Binaries, dir string, args ...string) (*Upstream, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	p, err := Start("upstream", filepath.Join(dir, "upstream.log"), nil, w, b.Upstream, args...)
	_ = w.Close()
	if err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		p.Kill()
		return nil, fmt.Errorf("upstream says no address: %w", err)
	}
	return &Upstream{p, strings.TrimSpace(line)}, nil
}

// Counts tells what was asked for.
func (u *Upstream) Counts(ctx context.Context) (c fhirserver.Counts, err error) {
	body, err := u.control(ctx, "/_counts")
	if err != nil {
		return c, err
	}
	defer body.Close()
	return c, json.NewDecoder(body).Decode(&c)
}

// Busiest is the largest number of requests that it got within one second.
func (u *Upstream) Busiest(ctx context.Context) (n int, err error) {
	body, err := u.control(ctx, "/_busiest?span=1s")
	if err != nil {
		return 0, err
	}
	defer body.Close()
	_, err = fmt.Fscan(body, &n)
	return n, err
}

// Oracle returns the lines that an export must give, as a multiset. Types in without are left out.
func (u *Upstream) Oracle(ctx context.Context, level string, follow []string, without ...string) (map[string]int, error) {
	return u.oracle(ctx, level, follow, func(typ string) bool { return !slices.Contains(without, typ) })
}

// OracleOf returns the lines of some types, without any that are only referred to.
func (u *Upstream) OracleOf(ctx context.Context, level string, types []string) (map[string]int, error) {
	return u.oracle(ctx, level, nil, func(typ string) bool { return slices.Contains(types, typ) })
}

func (u *Upstream) oracle(ctx context.Context, level string, follow []string, wanted func(typ string) bool) (map[string]int, error) {
	body, err := u.control(ctx, "/_oracle/"+level+"?follow="+strings.Join(follow, ","))
	if err != nil {
		return nil, err
	}
	defer body.Close()
	want := map[string]int{}
	in := bufio.NewReaderSize(body, 1<<20)
	for {
		line, err := in.ReadString('\n')
		if err == io.EOF {
			return want, nil
		}
		if err != nil {
			return nil, err
		}
		var head struct{ ResourceType string }
		if err := json.Unmarshal([]byte(line), &head); err != nil {
			return nil, err
		}
		if wanted(head.ResourceType) {
			want[strings.ReplaceAll(strings.TrimSuffix(line, "\n"), `"reference":"`+u.URL+`/`, `"reference":"`)]++
		}
	}
}

func (u *Upstream) control(ctx context.Context, path string) (io.ReadCloser, error) {
	base, err := url.Parse(u.URL)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base.Scheme+"://"+base.Host+path, nil)
	if err != nil {
		return nil, err
	}
	res, err := controls.Do(req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		_ = res.Body.Close()
		return nil, fmt.Errorf("upstream %s: %s", path, res.Status)
	}
	return res.Body, nil
}

var controls = &http.Client{Timeout: 2 * time.Minute}
