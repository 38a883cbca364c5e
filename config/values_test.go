package config_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"

	"sluice/config"
)

func TestSize(t *testing.T) {
	for _, tc := range []struct {
		in   string
		want config.Size
		text string // "": cannot be read
	}{
		{"1GiB", 1 << 30, "1GiB"},
		{"1.5 GiB", 3 << 29, "1536MiB"},
		{"64MiB", 64 << 20, "64MiB"},
		{"10GB", 10_000_000_000, "9765625KiB"},
		{"4096", 4096, "4KiB"},
		{"17B", 17, "17"},
		{"0", 0, "0"},
		{"", 0, ""},
		{"GiB", 0, ""},
		{"-1MiB", 0, ""},
		{"0.3B", 0, ""},
		{"1gib", 0, ""},
		{"9999999TiB", 0, ""},
		{"NaN", 0, ""},
		{"Inf", 0, ""},
	} {
		var got config.Size
		if err := got.UnmarshalText([]byte(tc.in)); (err == nil) != (tc.text != "") || got != tc.want {
			t.Errorf("%q: got %d, %v; want %d", tc.in, got, err, tc.want)
		}
		if tc.text != "" && got.String() != tc.text {
			t.Errorf("%q: prints as %s, want %s", tc.in, got, tc.text)
		}
	}
}

func TestPercent(t *testing.T) {
	for _, in := range []string{"50%", "0%", "100%", "2.5%"} {
		var p config.Percent
		if err := p.UnmarshalText([]byte(in)); err != nil || p.String() != in {
			t.Errorf("%s: got %s, %v", in, p, err)
		}
	}
	for _, in := range []string{"", "%", "50", "-1%", "101%", "NaN%"} {
		if err := new(config.Percent).UnmarshalText([]byte(in)); err == nil {
			t.Errorf("%q was taken", in)
		}
	}
	if got := config.Percent(50).Of(10); got != 5 {
		t.Errorf("50%% of 10: got %v", got)
	}
}

func TestParseRedis(t *testing.T) {
	secret := config.NewSecret
	for _, tc := range []struct {
		in   string
		want *config.Redis // nil: an error
	}{
		{"redis://h", &config.Redis{Mode: config.RedisSingle, Addrs: []string{"h:6379"}}},
		{"rediss://user:p%40ss@h:1/3", &config.Redis{Mode: config.RedisSingle, TLS: true, Addrs: []string{"h:1"}, Username: "user", Password: secret("p@ss"), DB: 3}},
		{"redis://:pw@[::1]:6379", &config.Redis{Mode: config.RedisSingle, Addrs: []string{"[::1]:6379"}, Password: secret("pw")}},
		{"redis+sentinel://:pw@a,b:2/main/1", &config.Redis{Mode: config.RedisSentinel, Addrs: []string{"a:26379", "b:2"}, Password: secret("pw"), Master: "main", DB: 1}},
		{"rediss+cluster://a,b", &config.Redis{Mode: config.RedisCluster, TLS: true, Addrs: []string{"a:6379", "b:6379"}}},
		{"redis://a,b", nil},
		{"redis+sentinel://a", nil},
		{"redis+cluster://a/1", nil},
		{"redis+foo://a", nil},
		{"http://a", nil},
		{"redis://", nil},
		{"redis://a:port", nil},
		{"redis://a/x", nil},
		{"redis://u:%zz@a", nil},
		{"redis://a?x=y", nil},
		{"a:6379", nil},
	} {
		got, err := config.ParseRedis(tc.in)
		if err != nil {
			got = nil
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s%v", tc.in, diff, err)
		}
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	const marker = "hunter2"
	type inner struct{ S config.Secret }
	type hiddenInner struct {
		s config.Secret
		u config.SecretURL
	}
	s, u := config.NewSecret(marker), config.NewSecretURL("redis://user:"+marker+"@host/0?key="+marker)
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb+"\n", s)
		fmt.Fprintf(&out, verb+"\n", u)
		fmt.Fprintf(&out, verb+"\n", inner{s})
		fmt.Fprintf(&out, verb+"\n", &hiddenInner{s, u})
		fmt.Fprintf(&out, verb+"\n", map[string]config.Secret{"a": s})
	}
	js, err := json.Marshal([]any{s, u, inner{s}, map[string]config.Secret{"a": s}})
	if err != nil {
		t.Fatal(err)
	}
	out.Write(js)
	ym, err := yaml.Marshal([]any{s, u, inner{s}})
	if err != nil {
		t.Fatal(err)
	}
	out.Write(ym)
	slog.New(slog.NewTextHandler(&out, nil)).Info("m", "s", s, "u", u, "i", inner{s})
	slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "s", s, "u", u, "i", inner{s})
	if got := out.String(); strings.Contains(got, marker) || strings.Contains(got, fmt.Sprintf("%x", marker)) {
		t.Errorf("the secret is in:\n%s", got)
	}
	if got, want := u.String(), "redis://user:•••@host/0?key=•••"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for in, want := range map[string]string{
		"": "", "plain": "plain", "user:pw@host": "•••", "http://h:80/p": "http://h:80/p", "https://a@b@c/": "https://a@b:•••@c/",
	} {
		if got := config.NewSecretURL(in).String(); got != want && !strings.Contains(got, "•••") {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestPrint(t *testing.T) {
	c := mustLoad(t, `
server: {admin_token: hunter2}
upstream:
  url: https://fhir.example.org/r4
  headers: {X-Key: hunter2}
  auth: {type: basic, username: "1", password: hunter2}
state: {redis: "redis://u:hunter2@h"}
export: {types: [Patient, Observation]}
`, "SLUICE_WORKERS=3")
	var out strings.Builder
	if err := c.Print(&out); err != nil {
		t.Fatal(err)
	}
	got := out.String()
	if strings.Contains(got, "hunter2") {
		t.Errorf("a secret is in:\n%s", got)
	}
	for _, want := range []string{
		"\nworkers: 3 # SLUICE_WORKERS\n",
		"  admin_token: ••• # sluice.yaml:2\n",
		"    username: '1' # sluice.yaml:6\n",
		"  types: [Patient, Observation] # sluice.yaml:8\n",
		"  redis: redis://u:•••@h # sluice.yaml:7\n",
		"  file_size: 1GiB\n",
		"  max_failed_patients: 50%\n",
		"  timeout: 1m\n",
		"  schedule: []\n",
		"  headers: # sluice.yaml:5\n    X-Key: •••\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in:\n%s", want, got)
		}
	}

	// What is printed for the defaults is a configuration that loads to the same.
	out.Reset()
	d := config.Default()
	d.Upstream.URL = "https://fhir.example.org/r4"
	if err := d.Print(&out); err != nil {
		t.Fatal(err)
	}
	back := mustLoad(t, out.String())
	for _, list := range []*[]string{&back.Server.TrustedProxies, &back.Upstream.BaseAliases, &back.Export.Types} {
		if len(*list) == 0 {
			*list = nil
		}
	}
	back.Upstream.Schedule, back.Auth.Issuers, back.Upstream.Headers, back.Upstream.HeadersFile = nil, nil, nil, nil
	if diff := cmp.Diff(d, back, unexported); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Names of variables are made from paths; two paths must not meet in one name. Each secret has its twin.
func TestNames(t *testing.T) {
	seen := map[string]string{}
	var walk func(t reflect.Type, path string)
	walk = func(typ reflect.Type, path string) {
		keys := map[string]bool{}
		for f := range typ.Fields() {
			keys[f.Tag.Get("yaml")] = true
		}
		for f := range typ.Fields() {
			key := f.Tag.Get("yaml")
			if key == "" {
				if f.IsExported() {
					t.Errorf("%s%s has no key", path, f.Name)
				}
				continue
			}
			at := path + key
			env := strings.ToUpper(strings.ReplaceAll(at, ".", "_"))
			if other := seen[env]; other != "" {
				t.Errorf("%s and %s share the variable SLUICE_%s", other, at, env)
			}
			seen[env] = at
			if strings.Contains(f.Type.String(), "Secret") && !keys[key+"_file"] {
				t.Errorf("%s has no %s_file", at, key)
			}
			if f.Type.Kind() == reflect.Struct && !strings.Contains(f.Type.String(), "Secret") {
				walk(f.Type, at+".")
			}
		}
	}
	walk(reflect.TypeFor[config.Config](), "")
	if len(seen) < 70 {
		t.Errorf("only %d keys were looked at", len(seen))
	}
}
