package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
)

// The main job: the demo ends with all rows equal to the upstream's, byte for byte, and leaves the files.
func TestDemo(t *testing.T) {
	var out, errs bytes.Buffer
	dir := filepath.Join(t.TempDir(), "demo")
	if code := run(t.Context(), []string{"demo", "--patients", "12", "--dir", dir}, nil, &out, &errs); code != exitOK {
		t.Fatalf("exit %d\n%s\n%s", code, out.String(), errs.String())
	}
	if !strings.Contains(out.String(), "rows equal the upstream's, each once") {
		t.Errorf("the demo does not say that all rows are equal:\n%s", out.String())
	}
	files, err := filepath.Glob(filepath.Join(dir, "files", "*.ndjson"))
	if err != nil || len(files) < 15 {
		t.Errorf("%d files, %v; want at least 15", len(files), err)
	}
}

func TestUsageHasItsExitCode(t *testing.T) {
	for _, args := range [][]string{{"serve", "--nope"}, {"serve", "extra"}, {"serve", "--role", "boss"}} {
		var out, errs bytes.Buffer
		if code := run(t.Context(), args, nil, &out, &errs); code != exitUsage {
			t.Errorf("%q: exit %d, want %d", args, code, exitUsage)
		}
	}
}
