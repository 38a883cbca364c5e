package main

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"sluice/cmd/sluice/pull"
	"sluice/test/fhirserver"
)

// sluice runs a command line.
func sluice(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), args, nil, &out, &errs)
	return code, out.String(), errs.String()
}

// A client from nothing: key, registration, export, as the README says it.
func TestKeygenClientAddPull(t *testing.T) {
	r := newRig(t, fhirserver.Options{Patients: 4, Extras: true})
	keyFile, jwksFile, out := filepath.Join(r.dir, "new.key.json"), filepath.Join(r.dir, "new.jwks.json"), filepath.Join(r.dir, "out")

	code, jwks, stderr := sluice(t, "keygen", "-o", keyFile)
	if code != exitOK {
		t.Fatalf("keygen: exit %d, %s", code, stderr)
	}
	if info, err := os.Stat(keyFile); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key file: %v, %v; want mode 0600", info.Mode(), err)
	}
	if strings.Contains(jwks, `"d"`) {
		t.Error("keygen prints the private key")
	}
	if code, _, _ := sluice(t, "keygen", "-o", keyFile); code != exitProblem {
		t.Errorf("keygen over a key: exit %d, want %d", code, exitProblem)
	}
	if err := os.WriteFile(jwksFile, []byte(jwks), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := sluice(t, "client", "add", "new", "--jwks", jwksFile, "--group", "half", "--dir", r.cfg.Auth.ClientsDir); code != exitOK {
		t.Fatalf("client add: exit %d, %s", code, stderr)
	}

	code, stdout, stderr := sluice(t, "pull", r.cfg.Server.PublicURL, "--client-id", "new", "--key", keyFile, "--group", "half", "--type", "Patient,Condition", "-o", out, "--json")
	if code != exitOK {
		t.Fatalf("pull: exit %d, %s", code, stderr)
	}
	var res pull.Result
	if err := json.Unmarshal([]byte(stdout), &res); err != nil {
		t.Fatalf("%v in %s", err, stdout)
	}
	if len(res.Output) != 2 || int(res.Output[0].Lines+res.Output[1].Lines) == 0 || stderr != "" {
		t.Errorf("result %+v, stderr %q", res, stderr)
	}
	for _, f := range res.Output {
		if f.Type == "Patient" && int(f.Lines) != len(r.fake.Members("half")) {
			t.Errorf("%d patients, want %d", f.Lines, len(r.fake.Members("half")))
		}
	}

	if code, _, stderr = sluice(t, "pull", r.cfg.Server.PublicURL, "--client-id", "new", "--key", keyFile, "--group", "half", "-o", out); code != exitProblem || !strings.Contains(stderr, "finished export") {
		t.Errorf("pull into the same folder: exit %d, %s", code, stderr)
	}
	if code, _, stderr = sluice(t, "pull", r.cfg.Server.PublicURL, "--client-id", "nobody", "--key", keyFile, "-o", filepath.Join(r.dir, "none")); code != exitProblem || !strings.Contains(stderr, "hint: is the public half") {
		t.Errorf("pull as an unknown client: exit %d, %s", code, stderr)
	}
}

// Error files make an exit code of their own, and are told in words.
func TestPullWithErrorFiles(t *testing.T) {
	var srv *httptest.Server
	srv = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/fhir/$export":
			w.Header().Set("Content-Location", srv.URL+"/status")
			w.WriteHeader(http.StatusAccepted)
		case "/status":
			fmt.Fprintf(w, `{"transactionTime":"2026-03-02T09:15:00Z","request":"","requiresAccessToken":false,
				"output":[{"type":"Patient","url":"%[1]s/Patient.ndjson","count":1}],"error":[{"type":"OperationOutcome","url":"%[1]s/error.ndjson"}]}`, srv.URL)
		case "/Patient.ndjson":
			fmt.Fprintln(w, `{"resourceType":"Patient","id":"a"}`)
		case "/error.ndjson":
			fmt.Fprintln(w, `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"incomplete","diagnostics":"3 patients are missing"}]}`)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	defer srv.Close()
	code, stdout, stderr := sluice(t, "pull", srv.URL+"/fhir", "--no-auth", "--system", "-o", filepath.Join(t.TempDir(), "out"))
	if code != exitWithErrorFiles || !strings.Contains(stdout, "error incomplete: 3 patients are missing") || !strings.Contains(stdout, "Patient") {
		t.Errorf("exit %d, want %d\n%s\n%s", code, exitWithErrorFiles, stdout, stderr)
	}
	if !strings.Contains(stderr, "2 of 2 files") {
		t.Errorf("progress:\n%s", stderr)
	}
	code, stdout, stderr = sluice(t, "pull", srv.URL+"/fhir", "--no-auth", "--system", "--quiet", "-o", filepath.Join(t.TempDir(), "out"))
	if code != exitWithErrorFiles || stdout != "" || strings.Count(stderr, "\n") != 1 {
		t.Errorf("quiet: exit %d\n%s\n%s", code, stdout, stderr)
	}
}

// A server with a certificate of a private CA is trusted with --ca only; the error says so.
func TestPullFromPrivateCA(t *testing.T) {
	var srv *httptest.Server
	srv = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/status" {
			fmt.Fprint(w, `{"transactionTime":"2026-03-02T09:15:00Z","request":"","requiresAccessToken":false,"output":[],"error":[]}`)
			return
		}
		w.Header().Set("Content-Location", srv.URL+"/status")
		w.WriteHeader(http.StatusAccepted)
	}))
	defer srv.Close()
	srv.Config.ErrorLog = nil
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, stderr := sluice(t, "pull", srv.URL, "--no-auth", "-o", filepath.Join(t.TempDir(), "out"))
	if code != exitProblem || !strings.Contains(stderr, "--ca") {
		t.Errorf("without --ca: exit %d, %s", code, stderr)
	}
	if code, _, stderr = sluice(t, "pull", srv.URL, "--no-auth", "--ca", ca, "-o", filepath.Join(t.TempDir(), "out")); code != exitOK {
		t.Errorf("with --ca: exit %d, %s", code, stderr)
	}
}

func TestClientCommands(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "clients")
	key1, key2 := filepath.Join(t.TempDir(), "1.json"), filepath.Join(t.TempDir(), "2.json")
	steps := []struct {
		args []string
		code int
		want string // in what is printed
	}{
		{[]string{"add", "loader"}, exitUsage, "exactly one of --jwks, --jwks-uri and --generate"},
		{[]string{"add", "loader", "--generate", key1, "--scope", "system/Patient.rs", "--group", "g1,g2", "--purpose", "registry"}, exitOK, "system/Patient.rs"},
		{[]string{"add", "loader", "--generate", key2}, exitProblem, "sluice client rotate"},
		{[]string{"add", "bad/id", "--generate", key2}, exitProblem, "id:"},
		{[]string{"list"}, exitOK, "loader  true     system/Patient.rs  g1 g2"},
		{[]string{"show", "loader"}, exitOK, "registry"},
		{[]string{"disable", "loader"}, exitOK, ""},
		{[]string{"show", "loader", "--json"}, exitOK, `"enabled": false`},
		{[]string{"enable", "loader"}, exitOK, ""},
		{[]string{"list", "--json"}, exitOK, `"enabled": true`},
		{[]string{"rotate", "loader", "--generate", key2, "--keep"}, exitOK, ""},
		{[]string{"rotate", "loader"}, exitUsage, "exactly one of"},
		{[]string{"show", "nobody"}, exitProblem, "sluice client list"},
		{[]string{"disable", "nobody"}, exitProblem, "unknown"},
		{[]string{"show"}, exitUsage, "takes one argument"},
	}
	for _, s := range steps {
		code, stdout, stderr := sluice(t, append([]string{"client", "--dir", dir}, s.args...)...)
		if code != s.code || !strings.Contains(stdout+stderr, s.want) {
			t.Errorf("client %q: exit %d, want %d, and %q in\n%s%s", s.args, code, s.code, s.want, stdout, stderr)
		}
	}
	_, stdout, _ := sluice(t, "client", "--dir", dir, "show", "loader", "--json")
	var cl struct {
		JWKS struct {
			Keys []map[string]any `json:"keys"`
		} `json:"jwks"`
	}
	if err := json.Unmarshal([]byte(stdout), &cl); err != nil || len(cl.JWKS.Keys) != 2 {
		t.Errorf("%d keys after rotate --keep, %v; want 2", len(cl.JWKS.Keys), err)
	}

	if err := os.WriteFile(filepath.Join(dir, "broken.yaml"), []byte("id: other\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, stdout, stderr := sluice(t, "client", "--dir", dir, "list"); code != exitProblem || !strings.Contains(stderr, "broken.yaml") || !strings.Contains(stdout, "loader") {
		t.Errorf("list with a broken file: exit %d\n%s%s", code, stdout, stderr)
	}
}

func TestPullUsage(t *testing.T) {
	keyFile := filepath.Join(t.TempDir(), "k")
	for _, tc := range []struct{ args, want string }{
		{"", "takes one argument"},
		{"http://a.test", "--client-id and --key, or say --no-auth"},
		{"http://a.test --no-auth --client-id x", "choose --no-auth"},
		{"http://a.test --client-id x --key " + keyFile, "--key"},
		{"http://a.test --no-auth --group g --system", "choose one of"},
		{"http://a.test --no-auth --since 2026-03-01", "--since"},
		{"http://a.test --no-auth --resume http://a.test/s --type Patient", "--resume"},
		{"http://a.test --no-auth --ca " + keyFile, "--ca"},
		{"http://a.test --no-auth --parallel 0", "--parallel"},
	} {
		code, _, stderr := sluice(t, append([]string{"pull"}, strings.Fields(tc.args)...)...)
		if code != exitUsage || !strings.Contains(stderr, tc.want) || !strings.Contains(stderr, "hint: sluice pull --help") {
			t.Errorf("pull %s: exit %d, %s; want %d and %q", tc.args, code, stderr, exitUsage, tc.want)
		}
	}
}

func TestVersion(t *testing.T) {
	code, stdout, _ := sluice(t, "version", "--json")
	var v map[string]any
	if err := json.Unmarshal([]byte(stdout), &v); err != nil || code != exitOK {
		t.Fatalf("exit %d, %v: %s", code, err, stdout)
	}
	for _, key := range []string{"version", "go", "platform"} {
		if s, _ := v[key].(string); s == "" {
			t.Errorf("%s is missing in %s", key, stdout)
		}
	}
}

// Every command that does something has an example to copy and says its exit codes.
func TestHelpIsComplete(t *testing.T) {
	for _, c := range newRootCommand(&app{}).Commands() {
		switch c.Name() {
		case "pull", "client", "keygen", "version":
			helpIsComplete(t, c)
		}
	}
}

func helpIsComplete(t *testing.T, c *cobra.Command) {
	t.Helper()
	if !strings.Contains(c.Example, c.CommandPath()) || !strings.Contains(c.Long, "Exit codes: 0 ") {
		t.Errorf("%s: example %q, long %q", c.CommandPath(), c.Example, c.Long)
	}
	for _, sub := range c.Commands() {
		helpIsComplete(t, sub)
	}
}
