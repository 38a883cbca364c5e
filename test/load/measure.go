package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"sluice/cmd/sluice/pull"
	"sluice/test/stack"
)

// result is what one scenario gave.
type result struct {
	Name     string  `json:"name"`
	Rows     int     `json:"rows"`
	RawMB    float64 `json:"rawMB"`
	Seconds  float64 `json:"seconds"` // of the export, kick-off to manifest
	RowsPerS float64 `json:"rowsPerSecond"`
	Requests int64   `json:"requests"`
	CPU      float64 `json:"cpuSeconds"`
	PeakMiB  float64 `json:"peakMiB"`
	Ratio    float64 `json:"ratio"` // of the yardstick's seconds to Sluice's
	memory   bool
}

// measure runs one scenario in processes of its own.
func measure(ctx context.Context, b stack.Binaries, dir string, s scenario) (r result, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return r, err
	}
	up, err := stack.StartUpstream(b, dir, "-patients", fmt.Sprint(s.patients), "-delay", s.delay.String(), "-max-count", "500", "-max-searches", "1000")
	if err != nil {
		return r, err
	}
	defer up.Kill()
	clients := filepath.Join(dir, "clients")
	key, err := stack.AddClient(ctx, clients, "loader")
	if err != nil {
		return r, err
	}
	replica, err := stack.NewReplica(b, dir, "sluice", stack.Settings{
		"upstream": stack.Section{"url": up.URL, "rate": 0, "concurrency": concurrency, "page_size": s.pageSize},
		"storage":  stack.Section{"url": "file:" + filepath.Join(dir, "store")},
		"auth":     stack.Section{"clients_dir": clients},
		"export":   stack.Section{"types": fifteen, "follow_references": []string{}},
		"workers":  s.workers,
	})
	if err != nil {
		return r, err
	}
	base := "http://" + replica.Public + "/fhir"
	replica.Env = []string{"SLUICE_SERVER_PUBLIC_URL=" + base}
	if err := replica.Start(ctx); err != nil {
		return r, err
	}
	defer func() { replica.Kill() }()
	before, err := up.Counts(ctx)
	if err != nil {
		return r, err
	}
	began := time.Now()
	res, err := pull.Run(ctx, pull.Options{
		URL: base, ClientID: "loader", Key: key, Level: s.level, Types: fifteen, Dir: filepath.Join(dir, "out"), HTTP: &http.Client{Transport: pull.NewTransport(nil)},
	})
	if err != nil {
		return r, err
	}
	done, err := manifestTime(filepath.Join(dir, "store"))
	if err != nil {
		return r, err
	}
	u, err := replica.Usage()
	if err != nil {
		return r, err
	}
	after, err := up.Counts(ctx)
	if err != nil {
		return r, err
	}
	r = result{Name: s.name, Seconds: done.Sub(began).Seconds(), Requests: after.Requests - before.Requests, CPU: u.CPU.Seconds(), PeakMiB: float64(u.Peak) / (1 << 20), memory: s.memory}
	for _, f := range res.Output {
		r.RawMB += float64(f.Bytes) / 1e6
	}
	if r.Rows, err = exact(ctx, up, s, res); err != nil {
		return r, err
	}
	r.RowsPerS = float64(r.Rows) / r.Seconds
	replica.Kill()
	patients, err := ids(res)
	if err != nil {
		return r, err
	}
	bare, err := yardstick(ctx, up.URL, s, patients)
	if err != nil {
		return r, err
	}
	r.Ratio = bare.Seconds() / r.Seconds
	return r, os.RemoveAll(dir)
}

// exact holds the rows against the upstream's.
func exact(ctx context.Context, up *stack.Upstream, s scenario, res *pull.Result) (int, error) {
	want, err := up.OracleOf(ctx, string(s.level), fifteen)
	if err != nil {
		return 0, err
	}
	d, err := stack.Compare(res.Output, want)
	if err == nil && !d.None() {
		err = fmt.Errorf("the rows are not those of the upstream: %v", d)
	}
	return d.Rows, err
}

// manifestTime is when the one export of a store was finished.
func manifestTime(store string) (time.Time, error) {
	found, err := filepath.Glob(filepath.Join(store, "jobs", "*", "manifest.json"))
	if err != nil || len(found) != 1 {
		return time.Time{}, errors.Join(fmt.Errorf("%d manifests in the store", len(found)), err)
	}
	info, err := os.Stat(found[0])
	if err != nil {
		return time.Time{}, err
	}
	return info.ModTime(), nil
}

// ids reads the patients of the export.
func ids(res *pull.Result) ([]string, error) {
	var all []string
	for _, f := range res.Output {
		if f.Type != "Patient" {
			continue
		}
		body, err := os.ReadFile(f.Path)
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(body)) {
			_, rest, _ := strings.Cut(line, `"id":"`)
			id, _, _ := strings.Cut(rest, `"`)
			all = append(all, id)
		}
	}
	return all, nil
}
