// Package docs holds what the documents say against what the code has: links, examples of configuration, keys, metrics, commands and messages.
package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sluice/config"
	"sluice/upstream"
)

const root = ".."

// pages yields the documents that people read, by path from the root.
func pages(t *testing.T, yield func(path, text string)) {
	t.Helper()
	paths := []string{"README.md", "CONTRIBUTING.md", "CHANGELOG.md"}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".md" {
			paths = append(paths, filepath.Join("docs", path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(paths) < 15 {
		t.Fatalf("only %d documents found", len(paths))
	}
	for _, path := range paths {
		yield(path, read(t, path))
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// sources returns all Go code that is built into programs.
func sources(t *testing.T, dirs ...string) string {
	t.Helper()
	var all strings.Builder
	for _, dir := range dirs {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			all.Write(text)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all.String()
}

var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

func TestLinksLeadSomewhere(t *testing.T) {
	pages(t, func(path, text string) {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			target, _, _ := strings.Cut(m[1], "#")
			if target == "" || strings.Contains(target, "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join(root, filepath.Dir(path), target)); err != nil {
				t.Errorf("%s: link to %s: %v", path, m[1], err)
			}
		}
	})
}

var (
	fence    = regexp.MustCompile("(?s)```yaml\n(.*?)```")
	absolute = regexp.MustCompile(`/(?:etc|run)/[\w./-]+`)
)

// Every example of a configuration is one: it loads, once the files that it names are there.
func TestConfigurationExamplesLoad(t *testing.T) {
	configurations, profiles := 0, 0
	pages(t, func(path, text string) {
		for i, m := range fence.FindAllStringSubmatch(text, -1) {
			dir := t.TempDir()
			block := absolute.ReplaceAllStringFunc(m[1], func(name string) string {
				file := filepath.Join(dir, name)
				if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, []byte("made up\n"), 0o600); err != nil {
					t.Fatal(err)
				}
				return file
			})
			file := filepath.Join(dir, "example.yaml")
			if err := os.WriteFile(file, []byte(block), 0o600); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(block, "\ntypes:") {
				profiles++
				if _, err := upstream.New(upstream.Options{URL: "http://127.0.0.1/fhir", Profile: file}); err != nil {
					t.Errorf("%s: profile %d: %v", path, i+1, err)
				}
				continue
			}
			configurations++
			if _, err := config.Load(file, nil); err != nil {
				t.Errorf("%s: example %d: %v", path, i+1, err)
			}
		}
	})
	if configurations < 8 || profiles < 1 {
		t.Errorf("%d configurations and %d profiles found: does the test still see them?", configurations, profiles)
	}
}

var (
	key    = regexp.MustCompile("`((?:server|upstream|state|storage|export|auth|audit|log)\\.[a-z_.]+[a-z])(?::[^`]*)?`")
	metric = regexp.MustCompile(`\bsluice_[a-z_]+[a-z]`)
)

func TestKeysAndMetricsExist(t *testing.T) {
	known := map[string]bool{}
	section := ""
	for line := range strings.Lines(read(t, "docs/operator/configuration.md")) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "##"); ok {
			section = strings.TrimSuffix(strings.TrimLeft(name, "# "), "[]")
			known[section] = true
		} else if cells := strings.Split(line, "|"); len(cells) > 2 {
			known[section+"."+strings.Trim(cells[1], " `")] = true
		}
	}
	metrics, events := read(t, "docs/operator/metrics.md"), sources(t, "audit") // log.opened is an event and no key
	n := 0
	pages(t, func(path, text string) {
		for _, m := range key.FindAllStringSubmatch(text, -1) {
			if n++; !known[m[1]] && !strings.Contains(events, `"`+m[1]+`"`) {
				t.Errorf("%s: there is no key %s", path, m[1])
			}
		}
		for _, name := range metric.FindAllString(text, -1) {
			if n++; !strings.Contains(metrics, "`"+strings.TrimSuffix(name, "_count")+"`") {
				t.Errorf("%s: there is no metric %s", path, name)
			}
		}
	})
	if n < 80 {
		t.Errorf("only %d keys and metrics found: does the test still see them?", n)
	}
}

var (
	command = regexp.MustCompile("(?m)(?:^|`|bin/)sluice ([a-z]+)(?: ([a-z]+))?")
	use     = regexp.MustCompile(`(?:Use:\s+|sub\(|onOff\()"([a-z]+)`)
)

// Commands that documents tell people to type are commands.
func TestCommandsExist(t *testing.T) {
	var known []string
	for _, m := range use.FindAllStringSubmatch(sources(t, "cmd/sluice"), -1) {
		known = append(known, m[1])
	}
	pages(t, func(path, text string) {
		for _, m := range command.FindAllStringSubmatch(text, -1) {
			if !slices.Contains(known, m[1]) {
				t.Errorf("%s: there is no command sluice %s", path, m[1])
			}
			if (m[1] == "client" || m[1] == "jobs") && m[2] != "" && !slices.Contains(known, m[2]) {
				t.Errorf("%s: there is no command sluice %s %s", path, m[1], m[2])
			}
		}
	})
}

var (
	quoted = regexp.MustCompile("`([^`]+)`")
	status = regexp.MustCompile(`^\d{3} `) // net/http's own words
)

// A message that people look up is one that they can get.
func TestMessagesAreInTheCode(t *testing.T) {
	code := sources(t, "auth", "bulkdata", "cmd", "config", "audit", "fanout", "gateway", "storage", "upstream")
	column, n := -1, 0
	for line := range strings.Lines(read(t, "docs/integrator/troubleshooting.md")) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) < 2 {
			column = -1
			continue
		}
		if at := slices.IndexFunc(cells, func(c string) bool { return strings.TrimSpace(c) == "message contains" }); at >= 0 {
			column = at
			continue
		}
		if column < 0 || column >= len(cells) {
			continue
		}
		for _, m := range quoted.FindAllStringSubmatch(cells[column], -1) {
			if status.MatchString(m[1]) || m[1] == "address already in use" { // the system's words
				continue
			}
			if n++; !strings.Contains(code, m[1]) {
				t.Errorf("no code says %q", m[1])
			}
		}
	}
	if n < 50 {
		t.Errorf("only %d messages found: does the test still see them?", n)
	}
}

var testName = regexp.MustCompile("`(Test[A-Za-z0-9_]+)`")

// Tests that documents name exist.
func TestNamedTestsExist(t *testing.T) {
	var all strings.Builder
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		all.Write(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	pages(t, func(path, text string) {
		for _, m := range testName.FindAllStringSubmatch(text, -1) {
			if n++; !strings.Contains(all.String(), "\nfunc "+m[1]+"(") {
				t.Errorf("%s names %s, which does not exist", path, m[1])
			}
		}
	})
	if n < 20 {
		t.Errorf("%d tests are named, want 20 or more", n)
	}
}
