package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/sync/errgroup"

	"sluice/bulkdata"
)

// yardstick asks the upstream what an export asks: every type, for every patient or at once, page by page, 16 at a time. It looks for
// the next link and throws everything else away.
func yardstick(ctx context.Context, base string, s scenario, patients []string) (time.Duration, error) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: concurrency, DisableCompression: true}, Timeout: time.Minute}
	defer client.CloseIdleConnections()
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(concurrency)
	began := time.Now()
	for _, typ := range fifteen {
		if s.level == bulkdata.System {
			g.Go(func() error { return chain(gctx, client, fmt.Sprintf("%s/%s?_count=%d", base, typ, s.pageSize)) })
			continue
		}
		param := "patient"
		if typ == "Patient" {
			param = "_id"
		}
		for _, p := range patients {
			g.Go(func() error {
				return chain(gctx, client, fmt.Sprintf("%s/%s?%s=%s&_count=%d", base, typ, param, url.QueryEscape(p), s.pageSize))
			})
		}
	}
	err := g.Wait()
	return time.Since(began), err
}

func chain(ctx context.Context, c *http.Client, next string) error {
	for next != "" {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, next, nil)
		if err != nil {
			return err
		}
		res, err := c.Do(req)
		if err != nil {
			return err
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil {
			return err
		}
		if res.StatusCode != http.StatusOK {
			return fmt.Errorf("yardstick: %s", res.Status)
		}
		if next, err = nextLink(body); err != nil {
			return err
		}
	}
	return nil
}

// nextLink decodes no more than the links.
func nextLink(body []byte) (string, error) {
	var b struct {
		Link []struct{ Relation, URL string } `json:"link"`
	}
	if err := json.Unmarshal(body, &b); err != nil {
		return "", err
	}
	for _, l := range b.Link {
		if l.Relation == "next" {
			return l.URL, nil
		}
	}
	return "", nil
}
