package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sluice/config"
	"sluice/jobs"
	"sluice/storage"
	"sluice/storage/blobstore"
	"sluice/telemetry"
)

func newCheckCommand(a *app) *cobra.Command {
	var offline bool
	c := &cobra.Command{
		Use:     "check",
		Short:   "Check the configuration and what it names",
		Long:    "Checks the configuration (all problems at once, with file and line), then the upstream, the state and the storage.\n\nExit codes: 0 all well, 1 a problem, 2 wrong usage.",
		Example: "  sluice check --config sluice.yaml",
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.check(c.Context(), offline)
		},
	}
	c.Flags().BoolVar(&offline, "offline", false, "check the configuration only")
	return c
}

func (a *app) check(ctx context.Context, offline bool) error {
	cfg, err := a.load()
	if err != nil {
		return err
	}
	fmt.Fprintln(a.stdout, "configuration  ok")
	if offline {
		return nil
	}
	log, err := telemetry.NewLogger(telemetry.LogOptions{Output: a.stderr, Level: "error"})
	if err != nil {
		return err
	}
	bad := 0
	say := func(what string, detail string, err error) {
		if err != nil {
			bad++
			detail = "PROBLEM: " + err.Error()
		}
		fmt.Fprintf(a.stdout, "%-14s %s\n", what, detail)
	}
	up, err := newUpstream(cfg, nil, log)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	capability, err := up.Capability(ctx)
	if err != nil {
		say("upstream", "", err)
	} else {
		say("upstream", fmt.Sprintf("ok: %s %s, FHIR %s, %d types", capability.Software, capability.Version, capability.FHIRVersion, len(capability.Types)), nil)
		rows, err := up.Plan(ctx, "patient")
		var types []string
		for _, r := range rows {
			types = append(types, r.Type)
		}
		say("can export", strings.Join(types, " "), err)
	}
	client, stop, err := openRedis(ctx, cfg)
	if err == nil {
		var js *jobs.Store
		if js, err = jobs.New(jobs.Options{Redis: client}); err == nil {
			err = js.Ping(ctx)
		}
		stop()
	}
	say("state", "ok", err)
	for _, f := range checkStorage(ctx, cfg) {
		say("storage", f.detail, f.err)
	}
	if bad > 0 {
		return &exitError{exitProblem, fmt.Errorf("%d of the checks found a problem", bad)}
	}
	return nil
}

// storageFinding is a line about the store.
type storageFinding struct {
	detail string
	err    error
}

// checkStorage tries everything that exports do with the store.
func checkStorage(ctx context.Context, cfg *config.Config) (found []storageFinding) {
	s, closer, err := newStore(ctx, cfg, false) // a running gateway holds the lock
	if err != nil {
		return []storageFinding{{err: err}}
	}
	defer closer()
	if bucket, ok := s.(*blobstore.Store); ok {
		bad := false
		for _, f := range bucket.Check(ctx) {
			if f.Err != nil {
				bad = true
				found = append(found, storageFinding{err: fmt.Errorf("%s: %w", f.What, f.Err)})
			}
		}
		if bad {
			return found
		}
		found = append(found, storageFinding{detail: "ok: objects are written, read, listed and deleted; strangers are refused"})
	}
	holds, err := storage.ProbeIfAbsent(ctx, s)
	switch {
	case err != nil:
		return append(found, storageFinding{err: err})
	case holds:
		return append(found, storageFinding{detail: "ok: create-if-absent holds"})
	case !cfg.State.Redis.IsSet():
		return append(found, storageFinding{err: errors.New("no create-if-absent: needs state.redis")})
	}
	return append(found, storageFinding{detail: "ok, but " + weaker})
}
