package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRun(t *testing.T) {
	data := t.TempDir()
	if err := os.WriteFile(filepath.Join(data, "p.ndjson"), []byte(`{"resourceType":"Patient","id":"only"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	out, in := io.Pipe()
	code := make(chan int, 1)
	go func() { code <- run(ctx, []string{"-data", data, "-patients", "3", "-base", "/r4"}, in, io.Discard) }()
	base, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	base = strings.TrimSpace(base)
	if !strings.HasSuffix(base, "/r4") {
		t.Errorf("base %s", base)
	}
	for url, want := range map[string]string{
		base + "/Patient?_summary=count":                    `"total":3}`,
		base + "/Patient/only":                              `"id":"only"`,
		strings.TrimSuffix(base, "/r4") + "/_counts":        `"requests":`,
		strings.TrimSuffix(base, "/r4") + "/_oracle/system": `{"resourceType":"Patient","id":"only"`,
	} {
		res, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || !strings.Contains(string(body), want) {
			t.Errorf("GET %s: %v, %s lacks %s", url, err, body, want)
		}
	}
	stop()
	if got := <-code; got != 0 {
		t.Errorf("exit code %d, want 0", got)
	}
}

func TestRunRefuses(t *testing.T) {
	for _, tc := range []struct {
		args []string
		want int
	}{
		{[]string{"-nonsense"}, 2},
		{[]string{"-listen", "nowhere:http:1"}, 1},
		{[]string{"-count", "-1"}, 1},
	} {
		if got := run(t.Context(), tc.args, io.Discard, io.Discard); got != tc.want {
			t.Errorf("%v: exit code %d, want %d", tc.args, got, tc.want)
		}
	}
}
