package config_test

import (
	"strings"
	"testing"
)

// Each case is the one problem of a configuration that is otherwise good.
func TestRules(t *testing.T) {
	exists := file(t, "x")
	for _, tc := range []struct {
		name, text string
		want       string // part of the one problem; "" for none
	}{
		{"loopback by name", "server: {listen: 'localhost:80'}", ""},
		{"loopback, IPv6", "server: {listen: '[::1]:80'}", ""},
		{"all addresses in the clear", "server: {listen: ':80'}", "plain HTTP would carry patient data"},
		{"a foreign address in the clear", "server: {listen: '192.0.2.1:80'}", "plain HTTP would carry patient data"},
		{"behind a proxy", "server: {listen: ':80', behind_tls_proxy: true}", ""},
		{"own TLS", "server: {listen: ':443', public_url: 'https://b.example.org/fhir', tls: {cert_file: F, key_file: F}}", ""},
		{"own TLS, plain public URL", "server: {tls: {cert_file: F, key_file: F}}", "server.public_url: found"},
		{"certificate without key", "server: {public_url: 'https://b.example.org/fhir', tls: {cert_file: F}}", "server.tls.key_file: missing"},
		{"key without certificate", "server: {tls: {key_file: F}}", "server.tls.cert_file: missing"},
		{"certificate that is not there", "server: {public_url: 'https://b.example.org/', tls: {cert_file: /nowhere/c, key_file: F}}", "server.tls.cert_file: cannot read open /nowhere/c"},
		{"a folder for a file", "upstream: {ca_file: /}", "upstream.ca_file: found \"/\", expected a file"},
		{"public URL in the clear", "server: {public_url: 'http://b.example.org/fhir'}", "server.public_url: found \"http://b.example.org/fhir\", expected an https URL"},
		{"public URL in the clear behind a proxy", "server: {public_url: 'http://b.example.org/fhir', behind_tls_proxy: true}", ""},
		{"public URL with a query", "server: {public_url: 'https://b.example.org/fhir?a=b'}", "without user, query and fragment"},
		{"no public URL", "server: {public_url: ''}", "server.public_url: found nothing, expected an http or https URL"},
		{"one address for two", "server: {admin_listen: '127.0.0.1:8080'}", "another address than server.listen"},
		{"two free ports", "server: {listen: '127.0.0.1:0', admin_listen: '127.0.0.1:0'}", ""},
		{"no port", "server: {listen: '127.0.0.1'}", "an address with a port"},
		{"open admin listener", "server: {admin_listen: ':9'}", "server.admin_token: missing"},
		{"admin listener with a token", "server: {admin_listen: ':9', admin_token: t}", ""},
		{"proxy word", "server: {proxy: on}", `server.proxy: found "on", expected off, read or all`},
		{"trusted proxies", "server: {trusted_proxies: [nginx]}", `server.trusted_proxies: found "nginx"`},

		{"alias", "upstream: {base_aliases: ['fhir.example.org']}", "upstream.base_aliases: found"},
		{"upstream with credentials in the URL", "upstream: {url: 'https://u:pw@f.example.org'}", `found "https://u:•••@f.example.org", expected a URL without user`},
		{"HTTP proxy", "upstream: {proxy_url: 'socks5://u:pw@p'}", `found "socks5://u:•••@p", expected an http or https URL`},
		{"no profile", "upstream: {profile: ''}", "upstream.profile: missing"},
		{"header name", "upstream: {headers: {'X Y': a}}", `upstream.headers: found "X Y"`},
		{"header of the transport", "upstream: {headers: {authorization: a}}", `upstream.headers: found "authorization"`},
		{"negative rate", "upstream: {rate: -1}", "upstream.rate: found -1"},
		{"no rate", "upstream: {rate: 0}", ""},
		{"time-out", "upstream: {timeout: 10ms}", "upstream.timeout: found 10ms, expected 1s to 1h"},
		{"page size", "upstream: {page_size: 0}", "upstream.page_size: found 0, expected 1 to 10000"},
		{"schedule", "upstream: {schedule: [{days: sat-sun, from: '00:00', to: '06:00', timezone: UTC, rate: 1, concurrency: 1}]}", "upstream.schedule: not supported by this version"},

		{"auth type", "upstream: {auth: {type: oauth}}", `upstream.auth.type: found "oauth", expected none, basic`},
		{"basic", "upstream: {auth: {type: basic, username: u, password: p}}", ""},
		{"basic without password", "upstream: {auth: {type: basic, username: u}}", "upstream.auth.password: missing; type basic needs it"},
		{"basic with a token", "upstream: {auth: {type: basic, username: u, password: p, token: t}}", "upstream.auth.token: is not used by type basic"},
		{"bearer", "upstream: {auth: {type: bearer, token: t}}", ""},
		{"header", "upstream: {auth: {type: header, header: X-Key, value: v}}", ""},
		{"header that is none", "upstream: {auth: {type: header, header: 'X Key', value: v}}", "upstream.auth.header: found"},
		{"client credentials", "upstream: {auth: {type: client_credentials, token_url: 'https://i.example.org/t', client_id: c, client_secret: s}}", ""},
		{"token endpoint in the clear", "upstream: {auth: {type: client_credentials, token_url: 'http://i.example.org/t', client_id: c, client_secret: s}}", "upstream.auth.token_url: found"},
		{"backend services", "upstream: {auth: {type: backend_services, token_url: 'https://i.example.org/t', client_id: c, key_file: F, alg: ES384}}", ""},
		{"backend services, alg", "upstream: {auth: {type: backend_services, token_url: 'https://i.example.org/t', client_id: c, key_file: F, alg: HS256}}", "upstream.auth.alg: found"},
		{"mutual TLS alone", "upstream: {auth: {cert_file: F, key_file: F}}", ""},
		{"mutual TLS without key", "upstream: {auth: {cert_file: F}}", "upstream.auth.key_file: missing"},
		{"mutual TLS with backend services", "upstream: {auth: {type: backend_services, token_url: 'https://i.example.org/t', client_id: c, key_file: F, cert_file: F}}", "upstream.auth.cert_key_file: missing"},

		{"S3", "storage: {url: 's3://key:secret@bucket/prefix?region=eu'}", "storage.url: found s3://…@…, expected s3://BUCKET/PREFIX without credentials"},
		{"GCS", "storage: {url: 'gs://bucket'}", ""},
		{"Azure without container", "storage: {url: 'azblob:exports'}", "storage.url: found"},
		{"a path for a URL", "storage: {url: /var/lib/sluice}", "storage.url: found"},
		{"file on a host", "storage: {url: 'file://host/dir'}", "storage.url: found"},
		{"file with three slashes", "storage: {url: 'file:///dir'}", ""},

		{"Redis", "state: {redis: 'redis://127.0.0.1:6379'}", ""},
		{"Redis without scheme", "state: {redis: '127.0.0.1:6379'}", "state.redis: found"},
		{"Redis password is not shown", "state: {redis: 'redis://u:hunter2@h:x'}", `found "redis://u:•••@h:x"`},

		{"no level", "export: {levels: []}", "export.levels: empty"},
		{"level", "export: {levels: [everyone]}", `export.levels: found "everyone", expected system, patient or group`},
		{"Binary as lines", "export: {follow_references: [Binary]}", `export.follow_references: found "Binary", expected a type whose resources are lines`},
		{"file size", "export: {file_size: 10}", "export.file_size: found 10, expected 1MiB or more"},
		{"retention", "export: {retention: 1s}", "export.retention: found 1s, expected 1m to 8784h"},
		{"failed patients", "export: {max_failed_patients: 101%}", "export.max_failed_patients: found"},
		{"token lifetime", "auth: {token_lifetime: 2h}", "auth.token_lifetime: found 2h, expected 1s to 1h"},
		{"token URL", "auth: {token_url: 'http://b.example.org/t'}", "auth.token_url: found"},
		{"issuers", "auth: {issuers: [{issuer: 'https://i.example.org', jwks_uri: 'https://i.example.org/k', audience: a}]}", "auth.issuers: not supported by this version"},
		{"no clients", "auth: {clients_dir: ''}", "auth.clients_dir: missing"},
		{"no audit", "audit: {dir: ''}", "audit.dir: missing"},
		{"audit failure", "audit: {on_failure: ignore}", "audit.on_failure: found"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			text := strings.ReplaceAll(tc.text, " F", " "+exists)
			environ := []string{"SLUICE_UPSTREAM_URL=https://fhir.example.org/r4"}
			if strings.Contains(text, "url: 'https://u:pw@") {
				environ = nil
			}
			_, err := load(t, text, environ...)
			switch {
			case tc.want == "" && err != nil:
				t.Errorf("got %v, want no problem", err)
			case tc.want == "":
			case err == nil || !strings.Contains(err.Error(), tc.want):
				t.Errorf("got %v, want %q", err, tc.want)
			case strings.Contains(err.Error(), "\n"):
				t.Errorf("got %v, want one problem", err)
			}
		})
	}
}

func TestWarnings(t *testing.T) {
	c := mustLoad(t, `
server: {public_url: 'http://b.example.org/fhir', behind_tls_proxy: true}
upstream: {url: 'http://f.example.org', rate: 0, auth: {type: bearer, token: t}}
auth: {token_lifetime: 10m}
audit: {on_failure: open}
`)
	w := c.Warnings()
	if len(w) != 5 {
		t.Errorf("got %d warnings, want 5: %q", len(w), w)
	}
	if w := mustLoad(t, minimal+"server: {listen: '127.0.0.1:9999'}\n").Warnings(); len(w) != 1 {
		t.Errorf("public_url with another port: %q", w)
	}
	if w := mustLoad(t, minimal).Warnings(); len(w) != 0 {
		t.Errorf("defaults: %q", w)
	}
}

func TestTokenURL(t *testing.T) {
	c := mustLoad(t, minimal+"server: {public_url: 'https://b.example.org:8443/deep/fhir'}\n")
	if got, want := c.TokenURL(), "https://b.example.org:8443/auth/token"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	c = mustLoad(t, minimal+"auth: {token_url: 'https://t.example.org/t'}\n")
	if got, want := c.TokenURL(), "https://t.example.org/t"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
