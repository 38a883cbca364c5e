package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"sluice/auth"
	"sluice/bulkdata"
	"sluice/cmd/sluice/pull"
	"sluice/config"
	"sluice/telemetry"
	"sluice/test/fhirserver"
)

func newDemoCommand(a *app) *cobra.Command {
	var dir string
	var patients int
	var keep bool
	c := &cobra.Command{
		Use:   "demo",
		Short: "A whole export on this machine, with nothing installed",
		Long: `Starts a small FHIR server without $export (bundled synthetic data), Sluice in front of it, registers a client with a fresh key,
exports all patients as a Bulk Data client does, and checks every line against the server's own data.

Exit codes: 0 all rows equal the upstream's, 1 not, 2 wrong usage.`,
		Example: "  sluice demo\n  sluice demo --patients 500 --keep",
		Args:    noArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return a.demo(c.Context(), dir, patients, keep) },
	}
	c.Flags().StringVar(&dir, "dir", "sluice-demo", "folder for everything the demo writes; emptied first if it is a demo's")
	c.Flags().IntVar(&patients, "patients", 10, "number of patients")
	c.Flags().BoolVar(&keep, "keep", false, "leave gateway, upstream and operator page running until interrupted")
	return c
}

func (a *app) demo(ctx context.Context, dir string, patients int, keep bool) error {
	marker := filepath.Join(dir, ".sluice-demo")
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		if _, err := os.Stat(marker); err != nil {
			return &exitError{exitUsage, fmt.Errorf("%s exists and is no demo's folder: choose another with --dir", dir)}
		}
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(marker, nil, 0o600); err != nil {
		return err
	}
	listen := func() (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:0") }
	upL, err1 := listen()
	pubL, err2 := listen()
	admL, err3 := listen()
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	upstreamURL := "http://" + upL.Addr().String() + "/fhir"
	fake, err := fhirserver.New(fhirserver.Options{Base: "/fhir", Patients: patients, Extras: true, PublicBase: upstreamURL})
	if err != nil {
		return err
	}
	cfg := config.Default()
	cfg.Upstream.URL, cfg.Upstream.Rate = upstreamURL, 0
	cfg.Server.Listen, cfg.Server.AdminListen = pubL.Addr().String(), admL.Addr().String()
	cfg.Server.PublicURL = "http://" + pubL.Addr().String() + "/fhir"
	cfg.Storage.URL = "file:" + filepath.Join(dir, "store")
	cfg.Audit.Dir, cfg.Auth.ClientsDir = filepath.Join(dir, "audit"), filepath.Join(dir, "clients")
	log, err := telemetry.NewLogger(telemetry.LogOptions{Output: a.stderr, Level: "warn"})
	if err != nil {
		return err
	}
	in, err := newInstance(ctx, cfg, roleAll, log)
	if err != nil {
		return err
	}
	defer in.close()
	keyFile := filepath.Join(dir, "client.key.json")
	if err := newClientWithKey(ctx, auth.NewFileRegistry(cfg.Auth.ClientsDir), "demo", keyFile, false); err != nil {
		return err
	}
	sctx, stop := context.WithCancel(ctx)
	g, gctx := errgroup.WithContext(sctx)
	srv := &http.Server{Handler: fake, ReadHeaderTimeout: 10 * time.Second}
	g.Go(func() error {
		if err := srv.Serve(upL); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	g.Go(func() error { return in.serve(gctx, pubL, admL) })
	g.Go(func() error { <-gctx.Done(); return srv.Close() })
	fmt.Fprintf(a.stdout, "upstream without $export  %s  (%d patients)\nSluice in front of it     %s\noperator page             http://%s/\n\n",
		upstreamURL, patients, cfg.Server.PublicURL, admL.Addr())
	err = a.demoExport(ctx, fake, cfg, keyFile, dir)
	if err == nil && keep {
		fmt.Fprintf(a.stdout, "\nrunning until Ctrl-C; try:\n  sluice pull %s --client-id demo --key %s -o ./export\n", cfg.Server.PublicURL, keyFile)
		<-ctx.Done()
	}
	stop()
	return errors.Join(err, g.Wait())
}

// demoExport exports all patients and compares each line with what the upstream holds.
func (a *app) demoExport(ctx context.Context, fake *fhirserver.Server, cfg *config.Config, keyFile, dir string) error {
	key, err := os.ReadFile(keyFile)
	if err != nil {
		return err
	}
	began := time.Now()
	res, err := pull.Run(ctx, pull.Options{
		URL: cfg.Server.PublicURL, ClientID: "demo", Key: key, Level: bulkdata.Patient, Dir: filepath.Join(dir, "files"),
		Progress: func(s string) { fmt.Fprintln(a.stderr, "…", s) },
	})
	if err != nil {
		return err
	}
	printFiles(a, res)
	want := fake.Export("patient", fake.PatientIDs(), cfg.Export.FollowReferences)
	delete(want, "Group") // exported at system level only: a Group tells of all its members
	rows, err := compare(res.Output, want, cfg.Upstream.URL)
	if err != nil {
		return &exitError{exitProblem, err}
	}
	fmt.Fprintf(a.stdout, "\nall %d rows equal the upstream's, each once (%.1f s); the files are in %s\n", rows, time.Since(began).Seconds(), filepath.Join(dir, "files"))
	return nil
}

// compare holds the downloaded lines against the truth, as multisets, type by type. The one difference that is right: references under
// the upstream's own base are made relative.
func compare(files []pull.File, want map[string][][]byte, base string) (int, error) {
	count := map[string]int{}
	for _, lines := range want {
		for _, l := range lines {
			count[string(bytes.ReplaceAll(l, []byte(`"reference":"`+base+`/`), []byte(`"reference":"`)))]++
		}
	}
	rows := 0
	for _, f := range files {
		body, err := os.ReadFile(f.Path)
		if err != nil {
			return rows, err
		}
		for line := range strings.Lines(string(body)) {
			rows++
			count[strings.TrimSuffix(line, "\n")]--
		}
	}
	var bad []string
	for line, n := range count {
		if n != 0 {
			bad = append(bad, fmt.Sprintf("%+d %.80s", -n, line))
		}
	}
	if len(bad) > 0 {
		slices.Sort(bad)
		return rows, fmt.Errorf("%d rows differ from the upstream's, first: %s", len(bad), bad[0])
	}
	return rows, nil
}
