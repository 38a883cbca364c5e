package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"sluice/audit"
	"sluice/config"
	"sluice/fanout"
	"sluice/gateway"
	"sluice/jobs"
	"sluice/storage"
	"sluice/telemetry"
	"sluice/upstream"
)

// Roles of a process.
const (
	roleAll     = "all"
	roleGateway = "gateway"
	roleWorker  = "worker"
)

// instance is one running Sluice: all parts of one process, wired. close gives everything back in the reverse order.
type instance struct {
	cfg      *config.Config
	log      *slog.Logger
	role     string
	store    storage.Store
	jobs     *jobs.Store
	upstream *upstream.Client
	audit    *audit.Log
	engine   *fanout.Engine
	gateway  *gateway.Gateway
	weak     bool // the store has no create-if-absent
	closers  []func()
}

// newInstance wires the parts that the configuration asks for. Nothing runs until serve.
func newInstance(ctx context.Context, cfg *config.Config, role string, log *slog.Logger) (_ *instance, err error) {
	in := &instance{cfg: cfg, log: log, role: role}
	defer func() {
		if err != nil {
			in.close()
		}
	}()
	metrics := telemetry.NewMetrics(version())
	if in.audit, err = audit.Open(cfg.Audit.Dir); err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	in.closers = append(in.closers, func() { _ = in.audit.Close() })
	if err = in.openStore(ctx, metrics.StorageError); err != nil {
		return nil, err
	}
	if err = in.openJobs(ctx); err != nil {
		return nil, err
	}
	if in.upstream, err = newUpstream(cfg, in.limiter(), log); err != nil {
		return nil, err
	}
	watch(metrics, in)
	auditor := &auditor{log: failpoints.audit(in.audit), open: cfg.Audit.OnFailure == "open", warn: log, metrics: metrics}
	in.engine, err = fanout.New(fanout.Options{
		Jobs: in.jobs, Store: in.store, Source: in.upstream, Audit: auditor, Log: log,
		Workers: cfg.Workers, ChunkPatients: cfg.Export.ChunkPatients, FileSize: int64(cfg.Export.FileSize), Retention: cfg.Export.Retention,
		MaxFailedPatients: float64(cfg.Export.MaxFailedPatients) / 100, Rows: metrics.Rows, Swept: metrics.Swept,
	})
	if err != nil {
		return nil, err
	}
	if role == roleWorker {
		return in, nil
	}
	in.gateway, err = in.newGateway(ctx, auditor, metrics)
	return in, err
}

// openJobs connects to Redis, or starts the embedded one.
func (in *instance) openJobs(ctx context.Context) error {
	client, stop, err := openRedis(ctx, in.cfg)
	if err != nil {
		return err
	}
	in.closers = append(in.closers, stop)
	in.jobs, err = jobs.New(jobs.Options{
		Redis: client, MaxRunning: in.cfg.Export.JobsPerClient, MaxQueued: in.cfg.Export.QueuedPerClient, Log: in.log,
		Around: failpoints.script,
	})
	if err == nil && in.cfg.State.Redis.IsSet() {
		if err = in.jobs.Check(ctx); err != nil {
			err = fmt.Errorf("state.redis: %w", err)
		}
	}
	return err
}

// limiter is what replicas share of the rate towards the upstream; one process with embedded state has all of it.
func (in *instance) limiter() upstream.Limiter {
	if !in.cfg.State.Redis.IsSet() {
		return nil
	}
	return in.jobs.NewLimiter(jobs.LimiterOptions{Rate: in.cfg.Upstream.Rate, Burst: in.cfg.Upstream.Burst})
}

func (in *instance) close() {
	for i := len(in.closers) - 1; i >= 0; i-- {
		in.closers[i]()
	}
	in.closers = nil
}

// serve answers on the listeners and works on exports until ctx ends; then it finishes what is under way, in at most 25 s.
func (in *instance) serve(ctx context.Context, public, admin net.Listener) error {
	g, gctx := errgroup.WithContext(ctx)
	if in.role != roleGateway {
		g.Go(func() error { return in.engine.Run(gctx) })
	}
	if in.gateway != nil {
		in.listen(g, gctx, public, in.gateway.Public(), true)
		in.listen(g, gctx, admin, in.gateway.Admin(), false)
	}
	return g.Wait()
}

func (in *instance) listen(g *errgroup.Group, ctx context.Context, l net.Listener, h http.Handler, public bool) {
	srv := &http.Server{
		Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 2 * time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog:  slog.NewLogLogger(in.log.Handler(), slog.LevelDebug),
		TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12},
	}
	g.Go(func() error {
		var err error
		if cert := in.cfg.Server.TLS; public && cert.CertFile != "" {
			err = srv.ServeTLS(l, cert.CertFile, cert.KeyFile)
		} else {
			err = srv.Serve(l)
		}
		if errors.Is(err, http.ErrServerClosed) {
			return nil
		}
		return err
	})
	g.Go(func() error {
		<-ctx.Done()
		end, done := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
		defer done()
		if err := srv.Shutdown(end); err != nil {
			_ = srv.Close() // downloads that are still running resume by Range
		}
		return nil
	})
}
