package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"sluice/config"
)

// minimal is what a configuration needs besides the defaults.
const minimal = "upstream: {url: https://fhir.example.org/r4}\n"

func load(t *testing.T, text string, environ ...string) (*config.Config, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sluice.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return config.Load(path, environ)
}

func mustLoad(t *testing.T, text string, environ ...string) *config.Config {
	t.Helper()
	c, err := load(t, text, environ...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// file writes a file with the given content and returns its name.
func file(t *testing.T, content string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

var unexported = cmpopts.IgnoreUnexported(config.Config{})

func TestDefaultsNeedOnlyAnUpstream(t *testing.T) {
	got, err := config.Load("", []string{"SLUICE_UPSTREAM_URL=http://127.0.0.1:18080/fhir"})
	if err != nil {
		t.Fatal(err)
	}
	want := config.Default()
	want.Upstream.URL = "http://127.0.0.1:18080/fhir"
	if diff := cmp.Diff(want, got, unexported); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if w := got.Warnings(); len(w) != 0 {
		t.Errorf("warnings: %q", w)
	}
	_, err = config.Load("", nil)
	if want := "upstream.url: missing, expected the FHIR base of the server behind Sluice, such as https://fhir.example.org/r4"; err == nil || err.Error() != want {
		t.Errorf("without anything: got %v, want %s", err, want)
	}
}

func TestEveryKeyOfTheContract(t *testing.T) {
	cert, key, secret := file(t, "cert"), file(t, "key"), file(t, "s3cret\n")
	got := mustLoad(t, `
server:
  listen: 0.0.0.0:8443
  admin_listen: 10.0.0.1:8081
  admin_token_file: `+secret+`
  public_url: https://bulk.example.org/fhir/
  tls: {cert_file: `+cert+`, key_file: `+key+`}
  behind_tls_proxy: true
  trusted_proxies: [10.0.0.0/8, 192.0.2.1]
  proxy: off
upstream:
  url: https://fhir.example.org/r4
  profile: ./hapi.yaml
  base_aliases: [https://internal.example.org/r4]
  auth:
    type: backend_services
    token_url: https://idp.example.org/token
    client_id: 17
    key_file: `+key+`
    kid: a
    alg: RS384
    scope: system/*.rs
    cert_file: `+cert+`
    cert_key_file: `+key+`
  ca_file: `+cert+`
  proxy_url: http://user:pw@proxy.example.org:3128
  headers: {X-Tenant: north}
  headers_file: {X-Key: `+secret+`}
  rate: 2.5
  burst: 3
  concurrency: 4
  page_size: 50
  timeout: 1m30s
  schedule: []
state:
  redis: rediss://u:p@redis.example.org/3
storage: &s
  url: file:/var/lib/sluice
export:
  levels: [group]
  types:
  - Patient
  - Observation
  follow_references: []
  chunk_patients: 10
  file_size: 64MiB
  retention: 7d
  max_failed_patients: 2.5%
  jobs_per_client: 1
  queued_per_client: 0
  strict_prefer: true
auth:
  token_lifetime: 1h
  signing_key_file: `+key+`
  token_url: https://bulk.example.org/token
  clients_dir: /etc/sluice/clients
  issuers:
audit: {dir: /var/log/sluice, on_failure: open}
log: {format: json, level: debug}
workers: 16
`)
	want := &config.Config{
		Server: config.Server{
			Listen: "0.0.0.0:8443", AdminListen: "10.0.0.1:8081", AdminToken: config.NewSecret("s3cret"), AdminTokenFile: secret,
			PublicURL: "https://bulk.example.org/fhir/", TLS: config.TLS{CertFile: cert, KeyFile: key}, BehindTLSProxy: true,
			TrustedProxies: []string{"10.0.0.0/8", "192.0.2.1"}, Proxy: "off",
		},
		Upstream: config.Upstream{
			URL: "https://fhir.example.org/r4", Profile: "./hapi.yaml", BaseAliases: []string{"https://internal.example.org/r4"},
			Auth: config.UpstreamAuth{Type: "backend_services", TokenURL: "https://idp.example.org/token", ClientID: "17", KeyFile: key,
				KID: "a", Alg: "RS384", Scope: "system/*.rs", CertFile: cert, CertKeyFile: key},
			CAFile: cert, ProxyURL: config.NewSecretURL("http://user:pw@proxy.example.org:3128"),
			Headers:     map[string]config.Secret{"X-Tenant": config.NewSecret("north"), "X-Key": config.NewSecret("s3cret")},
			HeadersFile: map[string]string{"X-Key": secret},
			Rate:        2.5, Burst: 3, Concurrency: 4, PageSize: 50, Timeout: 90 * time.Second, Schedule: []config.Window{},
		},
		State:   config.State{Redis: config.NewSecretURL("rediss://u:p@redis.example.org/3")},
		Storage: config.Storage{URL: "file:/var/lib/sluice"},
		Export: config.Export{
			Levels: []string{"group"}, Types: []string{"Patient", "Observation"}, FollowReferences: []string{}, ChunkPatients: 10,
			FileSize: 64 << 20, Retention: 7 * 24 * time.Hour, MaxFailedPatients: 2.5, JobsPerClient: 1, StrictPrefer: true,
		},
		Auth:    config.Auth{TokenLifetime: time.Hour, SigningKeyFile: key, TokenURL: "https://bulk.example.org/token", ClientsDir: "/etc/sluice/clients"},
		Audit:   config.Audit{Dir: "/var/log/sluice", OnFailure: "open"},
		Log:     config.Log{Format: "json", Level: "debug"},
		Workers: 16,
	}
	if diff := cmp.Diff(want, got, unexported); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got, want := got.Server.Base(), "https://bulk.example.org/fhir"; got != want {
		t.Errorf("Base: got %s, want %s", got, want)
	}
}

func TestAllProblemsAtOnce(t *testing.T) {
	_, err := load(t, `server:
  lisen: 127.0.0.1:9
  behind_tls_proxy: yes
  listen: 0.0.0.0:80
  tls: [a]
upstream:
  url: ftp://fhir.example.org
  rate: fast
  timeout: 6x
  timeout: 7s
  burst: {a: 1}
  schedule:
  - {days: mon-fry, from: "7", to: "19:00", timezone: Mars, rate: 5, concurrency: 2, rat: 1}
export:
  file_size: 1GiG
  max_failed_patients: 50
  levels: patient
  types: [observation]
zebra: 1
workers: 0
`, "SLUICE_EXPORT_CHUNK_PATIENTS=many", "SLUICE_EXPORT_CHUNKS=1", "SLUICE_LOG_LEVEL=loud")
	want := `sluice.yaml:2: server.lisen: unknown key; did you mean listen?
sluice.yaml:3: server.behind_tls_proxy: found "yes", expected true or false
sluice.yaml:4: server.listen: found "0.0.0.0:80", expected an address on loopback, or server.tls, or server.behind_tls_proxy: true: plain HTTP would carry patient data and tokens in the clear
sluice.yaml:5: server.tls: found a list, expected keys and values
sluice.yaml:7: upstream.url: found "ftp://fhir.example.org", expected an http or https URL
sluice.yaml:8: upstream.rate: found "fast", expected a number
sluice.yaml:9: upstream.timeout: found "6x", expected a duration such as 30s, 5m, 24h or 7d
sluice.yaml:10: upstream.timeout: given twice
sluice.yaml:11: upstream.burst: found keys and values, expected a whole number
sluice.yaml:12: upstream.schedule: found days "mon-fry", expected a day or a range such as mon-fri
sluice.yaml:12: upstream.schedule: found time "7", expected a time such as 07:00
sluice.yaml:12: upstream.schedule: found timezone "Mars", expected a time zone such as Europe/Berlin
sluice.yaml:12: upstream.schedule: not supported by this version: set upstream.rate and upstream.concurrency to what holds at all times, and remove it
sluice.yaml:13: upstream.schedule.rat: unknown key; did you mean rate?
sluice.yaml:15: export.file_size: found "1GiG", expected a size such as 1GiB, 512MiB or 4096
sluice.yaml:16: export.max_failed_patients: found "50", expected a percentage such as 50%
sluice.yaml:17: export.levels: found a value, expected a list
sluice.yaml:18: export.types: found "observation", expected a FHIR resource type such as Observation
sluice.yaml:19: zebra: unknown key; known here: audit, auth, export, log, server, state, storage, upstream, workers
sluice.yaml:20: workers: found 0, expected 1 to 256
SLUICE_EXPORT_CHUNK_PATIENTS: export.chunk_patients: found "many", expected a whole number
SLUICE_EXPORT_CHUNKS: unknown variable: there is no such key
SLUICE_LOG_LEVEL: log.level: found "loud", expected debug, info, warn or error`
	if err == nil {
		t.Fatal("no error")
	}
	if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(err.Error(), "\n")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	var p config.Problem
	if !errors.As(err, &p) || p.Path != "server.lisen" {
		t.Errorf("errors.As: got %+v", p)
	}
}

func TestFilesThatAreNoYAML(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"syntax", "server:\n  listen: [1\n", "sluice.yaml:"},
		{"two documents", minimal + "---\nworkers: 1\n", "several documents in one file"},
		{"a list", "- a\n", "sluice.yaml:1: found a list, expected keys and values"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if _, err := load(t, tc.text); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
	for _, text := range []string{"", "# nothing\n", "server:\n"} {
		if _, err := load(t, text, "SLUICE_UPSTREAM_URL=https://fhir.example.org/r4"); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := config.Load(filepath.Join(t.TempDir(), "none.yaml"), nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: got %v", err)
	}
}

func TestEnvironment(t *testing.T) {
	got := mustLoad(t, minimal+"workers: 2\nexport: {types: [Patient]}\n",
		"PATH=/bin", "SLUICE_WORKERS=9", "SLUICE_SERVER_BEHIND_TLS_PROXY=true", "SLUICE_EXPORT_TYPES=Observation, Condition",
		"SLUICE_UPSTREAM_HEADERS={X-A: b, X-C: 1}", "SLUICE_EXPORT_FILE_SIZE=2GiB", "SLUICE_STATE_REDIS=",
		"SLUICE_TEST_REDIS=x", "SLUICE_FAILPOINT=x", "SLUICE_PORT=tcp://10.0.0.1:80", "SLUICE_SERVER_SERVICE_HOST=10.0.0.1",
		"SLUICE_SERVER_PORT_80_TCP_ADDR=10.0.0.1", "SLUICE_UPSTREAM_AUTH_TYPE=bearer", "SLUICE_UPSTREAM_AUTH_TOKEN=tok",
	)
	if got.Workers != 9 || !got.Server.BehindTLSProxy || got.Export.FileSize != 2<<30 || got.Upstream.Auth.Token.Reveal() != "tok" {
		t.Errorf("got %+v", got)
	}
	if diff := cmp.Diff([]string{"Observation", "Condition"}, got.Export.Types); diff != "" {
		t.Errorf("types (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]config.Secret{"X-A": config.NewSecret("b"), "X-C": config.NewSecret("1")}, got.Upstream.Headers); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
}

func TestAVariableReplacesAFaultInTheFile(t *testing.T) {
	_, err := load(t, minimal+"workers: many\n", "SLUICE_WORKERS=3")
	if want := `sluice.yaml:2: workers: found "many", expected a whole number`; err == nil || err.Error() != want {
		t.Errorf("got %v, want only %s", err, want)
	}
}

func TestSecretFiles(t *testing.T) {
	password := file(t, "pass word \r\n")
	c := mustLoad(t, "upstream: {url: https://f.example.org, auth: {type: basic, username: u, password_file: "+password+"}}\n")
	if got := c.Upstream.Auth.Password.Reveal(); got != "pass word " {
		t.Errorf("password: got %q", got)
	}
	if err := os.Chmod(password, 0o644); err != nil {
		t.Fatal(err)
	}
	c = mustLoad(t, minimal+"state: {redis_file: "+file(t, "redis://:pw@r.example.org:6379/0\n")+"}\nserver: {admin_token_file: "+password+"}\n")
	if got := c.State.Redis.Reveal(); got != "redis://:pw@r.example.org:6379/0" {
		t.Errorf("redis: got %q", got)
	}
	if w := strings.Join(c.Warnings(), "\n"); !strings.Contains(w, "can be read by every user") {
		t.Errorf("warnings: %q", w)
	}
	for _, tc := range []struct{ name, server, want string }{
		{"both", "{admin_token: x, admin_token_file: " + password + "}", "sluice.yaml:2: server.admin_token_file: given together with server.admin_token; keep one"},
		{"no file", "{admin_token_file: /nowhere/token}", "sluice.yaml:2: server.admin_token_file: cannot read open /nowhere/token: no such file or directory"},
		{"empty", "{admin_token_file: " + os.DevNull + ", admin_listen: 0.0.0.0:1}", "sluice.yaml:2: server.admin_token_file: " + os.DevNull + " is empty"},
		{"large", "{admin_token_file: " + file(t, strings.Repeat("x", 70_000)) + "}", "holds more than 64 KiB"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := load(t, minimal+"server: "+tc.server+"\n")
			if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want only %q", err, tc.want)
			}
		})
	}
}
