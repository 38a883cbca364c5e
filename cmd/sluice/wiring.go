package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"sluice/audit"
	"sluice/auth"
	"sluice/auth/outbound"
	"sluice/bulkdata"
	"sluice/config"
	"sluice/export"
	"sluice/gateway"
	"sluice/jobs"
	"sluice/storage"
	"sluice/telemetry"
	"sluice/upstream"
)

// newUpstream returns the client of the FHIR server, whose requests are signed as configured.
func newUpstream(cfg *config.Config, limiter upstream.Limiter, log *slog.Logger) (*upstream.Client, error) {
	u := cfg.Upstream
	headers := map[string]string{}
	for name, value := range u.Headers {
		headers[name] = value.Reveal()
	}
	base, err := upstream.NewTransport(upstream.TransportOptions{
		CAFile: u.CAFile, CertFile: u.Auth.CertFile, KeyFile: u.Auth.CertificateKey(), ProxyURL: u.ProxyURL.Reveal(), Concurrency: 2 * u.Concurrency,
	})
	if err != nil {
		return nil, fmt.Errorf("upstream: %w", err)
	}
	signed, err := outbound.New(outbound.Options{
		Type: u.Auth.Type, Upstream: u.URL, Username: u.Auth.Username, Password: u.Auth.Password.Reveal(), Token: u.Auth.Token.Reveal(),
		Header: u.Auth.Header, Value: u.Auth.Value.Reveal(), TokenURL: u.Auth.TokenURL, ClientID: u.Auth.ClientID,
		ClientSecret: u.Auth.ClientSecret.Reveal(), Scope: u.Auth.Scope, KeyFile: u.Auth.KeyFile, KID: u.Auth.KID, Alg: u.Auth.Alg, Log: log,
	}, base)
	if err != nil {
		return nil, fmt.Errorf("upstream.auth: %w", err)
	}
	return upstream.New(upstream.Options{
		URL: u.URL, Aliases: u.BaseAliases, Profile: u.Profile, Transport: signed, Headers: headers, Rate: u.Rate, Burst: u.Burst,
		Concurrency: u.Concurrency, PageSize: u.PageSize, Timeout: u.Timeout, Types: cfg.Export.Types, Follow: cfg.Export.FollowReferences,
		UserAgent: "Sluice/" + version(), Limiter: limiter, Log: log,
	})
}

// openRedis connects to the configured Redis, or starts the embedded one.
func openRedis(ctx context.Context, cfg *config.Config) (redis.UniversalClient, func(), error) {
	if !cfg.State.Redis.IsSet() {
		return jobs.Embedded(ctx)
	}
	r, err := config.ParseRedis(cfg.State.Redis.Reveal())
	if err != nil {
		return nil, nil, fmt.Errorf("state.redis: %w", err)
	}
	o := &redis.UniversalOptions{
		Addrs: r.Addrs, Username: r.Username, Password: r.Password.Reveal(), DB: r.DB, MasterName: r.Master, ContextTimeoutEnabled: true,
		IsClusterMode: r.Mode == config.RedisCluster,
	}
	if r.TLS {
		o.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	client := redis.NewUniversalClient(o)
	return client, func() { _ = client.Close() }, nil
}

// newGateway wires the HTTP face: who may come in, and what is behind it.
func (in *instance) newGateway(ctx context.Context, auditor *auditor, metrics *telemetry.Metrics) (*gateway.Gateway, error) {
	cfg := in.cfg
	keys, err := in.signingKeys(ctx)
	if err != nil {
		return nil, err
	}
	registry := auth.NewFileRegistry(cfg.Auth.ClientsDir)
	tokens, err := auth.NewTokenEndpoint(auth.TokenOptions{
		Registry: registry, JTIs: jtis{in.jobs, in.store}, Keys: keys, TokenURL: cfg.TokenURL(), Audience: cfg.Server.Base(),
		Lifetime: cfg.Auth.TokenLifetime, Log: in.log,
	})
	if err != nil {
		return nil, err
	}
	verifier, err := auth.NewVerifier(auth.VerifierOptions{Registry: registry, Keys: keys, Audience: cfg.Server.Base()})
	if err != nil {
		return nil, err
	}
	trusted, err := prefixes(cfg.Server.TrustedProxies)
	if err != nil {
		return nil, err
	}
	var levels []bulkdata.Level
	for _, l := range cfg.Export.Levels {
		levels = append(levels, bulkdata.Level(l))
	}
	return gateway.New(gateway.Options{
		PublicURL: cfg.Server.Base(), TokenURL: cfg.TokenURL(), Version: version(), Jobs: in.jobs, Store: in.store, Verifier: verifier,
		Tokens: tokens, Audit: auditor, Upstream: in.upstream, Types: in.types, Levels: levels, ProxyMode: cfg.Server.Proxy,
		StrictPrefer: cfg.Export.StrictPrefer, Retention: cfg.Export.Retention, TrustedProxies: trusted, AdminToken: cfg.Server.AdminToken.Reveal(),
		Log: in.log, MetricsHandler: metrics.Handler(), Cancelled: in.engine.Cancelled, Facts: in.facts,
		Metrics: gateway.Metrics{
			Request: metrics.Request, Token: metrics.Token, Denied: metrics.Denied, Download: metrics.Download,
			Kickoff: func(l bulkdata.Level, outcome string) {
				metrics.Kickoff(string(l), outcome)
				in.engine.Wake()
			},
		},
	})
}

// types lists what can be exported at a level.
func (in *instance) types(ctx context.Context, level bulkdata.Level) ([]string, error) {
	rows, err := in.upstream.Plan(ctx, string(level))
	if err != nil {
		return nil, err
	}
	var types []string
	for _, r := range rows {
		types = append(types, r.Type)
	}
	return types, nil
}

// signingKeys returns the keys of our access tokens: configured, or made once in the store and shared by all replicas.
func (in *instance) signingKeys(ctx context.Context) (*auth.KeySet, error) {
	if f := in.cfg.Auth.SigningKeyFile; f != "" {
		jwks, err := os.ReadFile(f)
		if err != nil {
			return nil, fmt.Errorf("auth.signing_key_file: %w", err)
		}
		return auth.LoadKeySet(jwks)
	}
	jwks, err := export.LoadOrCreate(ctx, in.store, export.SystemRoot+"signing-keys.json", auth.NewKeySet)
	if err != nil {
		return nil, fmt.Errorf("signing key: %w", err)
	}
	return auth.LoadKeySet(jwks)
}

// jtis remembers used assertions: Redis is the fast first look, create-if-absent in the store decides, so that a restart or a flush
// forgets nothing (TOK-13).
type jtis struct {
	jobs  *jobs.Store
	store storage.Store
}

func (j jtis) Use(ctx context.Context, client, jti string, exp time.Time) (bool, error) {
	if fresh, err := j.jobs.UseJTI(ctx, client, jti, exp); err != nil || !fresh {
		return false, err
	}
	return export.ClaimOnce(ctx, j.store, export.JTIKey(client, jti, exp), []byte("{}"))
}

// auditor writes the audit log as audit.on_failure says: closed refuses what cannot be recorded, open lets it pass with a warning.
type auditor struct {
	log     eventLog
	open    bool
	warn    *slog.Logger
	metrics *telemetry.Metrics
}

// eventLog is the audit log as the auditor needs it.
type eventLog interface {
	Write(ctx context.Context, e audit.Event) error
	Ready() error
}

func (a *auditor) Write(ctx context.Context, e audit.Event) error {
	err := a.log.Write(ctx, e)
	a.metrics.AuditEvent(e.Type, e.Outcome, err)
	if err != nil && a.open {
		a.warn.ErrorContext(ctx, "audit event lost", "type", e.Type, "error", err)
		return nil
	}
	return err
}

func (a *auditor) Ready() error { return a.log.Ready() }

// watch lets the metrics ask the parts at each scrape.
func watch(m *telemetry.Metrics, in *instance) {
	m.AuditReady(in.audit.Ready)
	m.JobStates(func(ctx context.Context) (map[string]int64, error) {
		all, err := in.jobs.List(ctx)
		states := map[string]int64{}
		for _, j := range all {
			states[string(j.State)]++
		}
		return states, err
	})
	m.Upstream(func() telemetry.UpstreamStats {
		s := in.upstream.Stats()
		return telemetry.UpstreamStats{
			Requests: maps.Clone(s.Requests), Retries: s.Retries, Pauses: s.Pauses, PausedUntil: s.PausedUntil, Refused: s.Refused,
			Bytes: s.Bytes, Breaker: s.Breaker, InFlight: s.InFlight, Passthrough: s.Passthrough, Concurrency: s.Concurrency,
		}
	})
}

// facts are lines about the upstream for the operator page.
func (in *instance) facts() []gateway.Fact {
	s := in.upstream.Stats()
	facts := []gateway.Fact{
		{Name: "Upstream breaker", Value: s.Breaker},
		{Name: "Requests in flight", Value: fmt.Sprintf("%d of %d", s.InFlight, s.Concurrency)},
		{Name: "Rate limit", Value: fmt.Sprintf("%g/s", in.cfg.Upstream.Rate)},
	}
	if in.cfg.Upstream.Rate == 0 {
		facts[2].Value = "none"
	}
	if !s.PausedUntil.IsZero() {
		facts = append(facts, gateway.Fact{Name: "Paused by the upstream until", Value: s.PausedUntil.UTC().Format(time.RFC3339)})
	}
	return facts
}

func prefixes(list []string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	var errs []error
	for _, s := range list {
		if !strings.Contains(s, "/") {
			a, err := netip.ParseAddr(s)
			if err == nil {
				out = append(out, netip.PrefixFrom(a, a.BitLen()))
			}
			errs = append(errs, err)
			continue
		}
		p, err := netip.ParsePrefix(s)
		out, errs = append(out, p), append(errs, err)
	}
	return out, errors.Join(errs...)
}
