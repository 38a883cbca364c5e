package main

import (
	"errors"
	"fmt"
	"net"

	"github.com/spf13/cobra"

	"sluice/config"
	"sluice/telemetry"
)

func newServeCommand(a *app) *cobra.Command {
	var upstreamURL, role string
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run the gateway",
		Long: `Runs the gateway in front of the upstream named in the configuration, until SIGTERM or SIGINT; then what is under way is finished, in
at most 25 s.

With --upstream and without --config it is a trial on this machine: embedded state, files under ./sluice-data, and a development client
whose key and "sluice pull" command line are printed.

Exit codes: 0 stopped in good order, 1 a problem, 2 wrong usage.`,
		Example: "  sluice serve --upstream http://127.0.0.1:18080/fhir\n  sluice serve --config /etc/sluice/sluice.yaml",
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if role != roleAll && role != roleGateway && role != roleWorker {
				return &exitError{exitUsage, fmt.Errorf("--role %q: expected all, gateway or worker", role)}
			}
			environ := a.environ
			if upstreamURL != "" {
				environ = append(environ[:len(environ):len(environ)], "SLUICE_UPSTREAM_URL="+upstreamURL)
			}
			cfg, err := config.Load(a.configFile, environ)
			if err != nil {
				return err
			}
			return a.serve(c, cfg, role, upstreamURL != "" && a.configFile == "")
		},
	}
	c.Flags().StringVar(&upstreamURL, "upstream", "", "FHIR base of the server to stand in front of; overrides the configuration")
	c.Flags().StringVar(&role, "role", roleAll, "what this process does: all, gateway or worker; other than all needs state.redis")
	return c
}

func (a *app) serve(c *cobra.Command, cfg *config.Config, role string, trial bool) error {
	ctx := c.Context()
	if role != roleAll && !cfg.State.Redis.IsSet() {
		return &exitError{exitUsage, errors.New("--role " + role + " needs state.redis: embedded state belongs to one process, which does all")}
	}
	log, err := telemetry.NewLogger(telemetry.LogOptions{Output: a.stderr, Format: cfg.Log.Format, Level: cfg.Log.Level})
	if err != nil {
		return err
	}
	public, admin, err := listeners(cfg, role)
	if err != nil {
		return err
	}
	in, err := newInstance(ctx, cfg, role, log)
	if ctx.Err() != nil && err != nil {
		return nil // asked to stop while it was starting
	}
	if err != nil {
		return err
	}
	defer in.close()
	if public != nil {
		log.InfoContext(ctx, "serving", "url", cfg.Server.Base(), "address", public.Addr().String(), "role", role, "version", version())
		log.InfoContext(ctx, "operator page", "url", "http://"+admin.Addr().String()+"/")
	}
	if trial {
		if err := a.offerDevelopmentClient(ctx, cfg); err != nil {
			return err
		}
	}
	err = in.serve(ctx, public, admin)
	log.InfoContext(ctx, "stopped")
	return err
}

// listeners opens both addresses before anything else is started, so that a taken port is the first thing said.
func listeners(cfg *config.Config, role string) (public, admin net.Listener, err error) {
	if role == roleWorker {
		return nil, nil, nil
	}
	if public, err = net.Listen("tcp", cfg.Server.Listen); err != nil {
		return nil, nil, fmt.Errorf("server.listen: %w", err)
	}
	if admin, err = net.Listen("tcp", cfg.Server.AdminListen); err != nil {
		_ = public.Close()
		return nil, nil, fmt.Errorf("server.admin_listen: %w", err)
	}
	return public, admin, nil
}
