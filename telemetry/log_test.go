package telemetry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/telemetry"
)

func logger(t *testing.T, o telemetry.LogOptions) *slog.Logger {
	t.Helper()
	l, err := telemetry.NewLogger(o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// logged returns what a value prints as under a known key.
func logged(t *testing.T, key string, value any) any {
	t.Helper()
	var out bytes.Buffer
	logger(t, telemetry.LogOptions{Output: &out, Format: "json"}).Info("m", key, value)
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatalf("%v in %s", err, out.String())
	}
	return line[key]
}

type secret struct{ s string }

func (s secret) LogValue() slog.Value { return slog.StringValue("•••") }

func TestRedaction(t *testing.T) {
	type state string
	type patient struct{ Name string }
	token := "eyJhbGciOiJFUzM4NCJ9.eyJpc3MiOiJhIn0.c2lnbmF0dXJl"
	link, err := url.Parse("https://user:pw@h.example.org/fhir/Patient?name=Peter#x")
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name string
		key  string
		in   any
		want any
	}{
		{"known text", "job", "00ff", "00ff"},
		{"unknown key", "patient", "Peter", "?"},
		{"unknown key, number", "mrn", 17, "?"},
		{"number", "rows", 17, float64(17)},
		{"truth", "state", true, true},
		{"duration", "took", time.Second, float64(time.Second)},
		{"named text", "state", state("running"), "running"},
		{"list of texts", "types", []string{"Patient", "Observation"}, "Patient,Observation"},
		{"structure", "detail", patient{"Peter"}, "?"},
		{"pointer", "detail", &patient{"Peter"}, "?"},
		{"bytes", "detail", []byte("Peter"), "?"},
		{"map", "detail", map[string]string{"name": "Peter"}, "?"},
		{"nil", "error", nil, "?"},
		{"value that hides itself", "key", secret{"x"}, "•••"},
		{"error with a URL", "error", fmt.Errorf("read: %w", &url.Error{Op: "Get", URL: link.String(), Err: errors.New("refused")}), `read: Get "https://•••@h.example.org/fhir/Patient?…": refused`},
		{"URL", "url", link, "https://•••@h.example.org/fhir/Patient?…"},
		{"relative search", "error", "search Observation?patient=17&code=a failed", "search Observation?… failed"},
		{"a name with a quote", "error", "GET /Patient?name=O'Brien<x> failed", "GET /Patient?… failed"},
		{"a question", "detail", "why? a=b", "why? a=b"},
		{"bearer", "error", "Authorization: Bearer " + token, "Authorization: Bearer •••"},
		{"bare token", "error", "token " + token + " is bad", "token ••• is bad"},
		{"basic", "error", "basic dXNlcjpwdw==", "basic •••"},
		{"control characters", "file", "a\nb\x1b[1mc\u2028d", "a�b�[1mc�d"},
		{"stack keeps its lines", "stack", "a\n\tb\x1b", "a\n\tb�"},
		{"long text", "error", strings.Repeat("ä", 400), strings.Repeat("ä", 250) + "…"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, logged(t, tc.key, tc.in)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestGroupsAndKeptAttributes(t *testing.T) {
	var out bytes.Buffer
	l := logger(t, telemetry.LogOptions{Output: &out, Format: "json"})
	l.With("job", "1", "name_of_patient", "Peter").WithGroup("g").Info("m?x=y", slog.Group("h", "rows", 1, "birth", "2001-02-03"), "url", "http://h/?a=b")
	var got map[string]any
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	delete(got, "time")
	want := map[string]any{"level": "INFO", "msg": "m?…", "job": "1", "name_of_patient": "?", "g": map[string]any{"h": map[string]any{"rows": float64(1), "birth": "?"}, "url": "http://h/?…"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestFormatsAndLevels(t *testing.T) {
	for _, tc := range []struct{ format, level, want, never string }{
		{"text", "", "level=INFO msg=hello job=1\n", "quiet"},
		{"auto", "info", "level=INFO msg=hello job=1\n", "quiet"},
		{"json", "debug", `"msg":"quiet"`, ""},
		{"terminal", "info", "INF hello job=1\n", "\x1b"},
		{"text", "error", "", "hello"},
	} {
		t.Run(tc.format+" "+tc.level, func(t *testing.T) {
			var out bytes.Buffer
			l := logger(t, telemetry.LogOptions{Output: &out, Format: tc.format, Level: tc.level})
			l.DebugContext(t.Context(), "quiet")
			l.InfoContext(t.Context(), "hello", "job", 1)
			if got := out.String(); !strings.Contains(got, tc.want) || tc.never != "" && strings.Contains(got, tc.never) {
				t.Errorf("got %q, want %q and not %q", got, tc.want, tc.never)
			}
		})
	}
	for _, o := range []telemetry.LogOptions{{Format: "xml"}, {Level: "loud"}} {
		if _, err := telemetry.NewLogger(o); err == nil {
			t.Errorf("%+v: no error", o)
		}
	}
	l := logger(t, telemetry.LogOptions{Level: "error"})
	if l.Enabled(context.Background(), slog.LevelWarn) {
		t.Error("warn is enabled at level error")
	}
	if k := telemetry.Keys(); !slices.IsSorted(k) || !slices.Contains(k, "job") {
		t.Errorf("keys: got %v", k)
	}
}

func FuzzNoCredentialIsLogged(f *testing.F) {
	f.Add("Get https://h", "x y")
	f.Fuzz(func(t *testing.T, before, after string) {
		const marker = "S3cretMarker"
		for _, hidden := range []string{"https://u:" + marker + "@h/", "Patient?name=" + marker, " Bearer " + marker} {
			var out bytes.Buffer
			logger(t, telemetry.LogOptions{Output: &out, Format: "text"}).Info("m", "error", before+hidden+" "+after)
			if strings.Contains(out.String(), marker) {
				t.Errorf("%q is in %q", marker, out.String())
			}
		}
	})
}
