package config

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the reference anew")

const referenceFile = "../docs/operator/configuration.md"

const referenceHead = `<!-- Made from the comments in config/*.go by "go test ./config -update". Change them there. -->
# Configuration

Sluice reads one YAML file (` + "`--config sluice.yaml`" + `) and the environment. Only ` + "`upstream.url`" + ` is required.

- **Environment.** Every key is also a variable: ` + "`SLUICE_`" + `, then the path in capitals with ` + "`_`" + ` for each dot: ` + "`upstream.auth.client_id`" + ` is
  ` + "`SLUICE_UPSTREAM_AUTH_CLIENT_ID`" + `. A variable wins over the file. Lists of words are separated by commas; names with values and lists of sections are written
  as YAML on one line: ` + "`SLUICE_UPSTREAM_HEADERS='{X-Tenant: north}'`" + `. An empty variable counts as none.
- **Secrets.** Each secret has a twin that ends in ` + "`_file`" + ` and names a file that holds it (Docker and Kubernetes secrets, systemd credentials). One line end behind
  the secret does not belong to it. Secrets are never printed: not in the log, not by ` + "`sluice check`" + `, not in an error.
- **Mistakes.** Unknown keys are errors. ` + "`sluice check`" + ` tells all problems at once, each with file and line, what was found and what was expected.
- **Units.** Durations: ` + "`30s`, `5m`, `24h`, `7d`" + `. Sizes: ` + "`512KiB`, `64MiB`, `1GiB`" + `, or a number of bytes. Percentages: ` + "`50%`" + `.
- **Paths** of files and folders are absolute or relative to the working directory.
`

// TestReference keeps the reference for operators equal to the code.
func TestReference(t *testing.T) {
	want := reference(t)
	if *update {
		if err := os.MkdirAll(filepath.Dir(referenceFile), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(referenceFile, []byte(want), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(referenceFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("%s is not current; run go test ./config -update (-want +got):\n%s", referenceFile, diff)
	}
}

func reference(t *testing.T) string {
	t.Helper()
	r := &referenceWriter{t: t, docs: comments(t)}
	r.WriteString(referenceHead)
	r.section(reflect.ValueOf(Default()).Elem(), "", 1)
	return r.String()
}

type referenceWriter struct {
	strings.Builder
	t    *testing.T
	docs map[string]string // "Type" and "Type.Field"
}

// section writes the table of a section's own keys, then the sections in it, then the sections in its lists.
func (r *referenceWriter) section(v reflect.Value, path string, depth int) {
	if path != "" {
		fmt.Fprintf(r, "\n%s %s\n\n%s\n", strings.Repeat("#", depth), path, r.doc(v.Type().Name(), ""))
	}
	var inner []int
	head := "\n| key | default | meaning |\n|---|---|---|\n"
	for i := range v.NumField() {
		f := v.Type().Field(i)
		key := f.Tag.Get("yaml")
		if key == "" {
			continue
		}
		if isSection(f.Type) {
			inner = append(inner, i)
			continue
		}
		if f.Type.Kind() == reflect.Slice && isSection(f.Type.Elem()) {
			inner = append(inner, i)
		}
		fmt.Fprintf(r, "%s| `%s` | %s | %s |\n", head, key, defaultText(v.Field(i)), r.doc(v.Type().Name(), f.Name))
		head = ""
	}
	for _, i := range inner {
		f := v.Field(i)
		at := join(path, v.Type().Field(i).Tag.Get("yaml"))
		if f.Kind() == reflect.Slice {
			f, at = reflect.Zero(f.Type().Elem()), at+"[]"
		}
		r.section(f, at, depth+1)
	}
}

// doc returns the comment of a type or of one of its fields as a sentence of its own: without "Name is" before it.
func (r *referenceWriter) doc(typ, field string) string {
	name, word := typ, typ
	if field != "" {
		name, word = typ+"."+field, field
	}
	doc := strings.Join(strings.Fields(r.docs[name]), " ")
	if doc == "" {
		r.t.Errorf("%s has no comment", name)
		return ""
	}
	if rest, ok := strings.CutPrefix(doc, word+" "); ok {
		doc = strings.TrimPrefix(strings.TrimPrefix(rest, "is "), "are ")
	}
	return strings.ReplaceAll(strings.ToUpper(doc[:1])+doc[1:], "|", `\|`)
}

func defaultText(v reflect.Value) string {
	switch {
	case v.Kind() == reflect.Slice && v.Len() > 0:
		var parts []string
		for i := range v.Len() {
			parts = append(parts, v.Index(i).String())
		}
		return "`" + strings.Join(parts, ", ") + "`"
	case v.Kind() == reflect.Slice || v.Kind() == reflect.Map:
		return "empty"
	}
	text, _ := scalarText(v)
	if text == "" {
		return "empty"
	}
	return "`" + text + "`"
}

// comments returns the comments of all types of the package and of their fields.
func comments(t *testing.T) map[string]string {
	t.Helper()
	docs := map[string]string{}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			decl, ok := n.(*ast.GenDecl)
			if !ok {
				return true
			}
			for _, spec := range decl.Specs {
				typ, ok := spec.(*ast.TypeSpec)
				if !ok {
					continue
				}
				docs[typ.Name.Name] = decl.Doc.Text()
				if s, ok := typ.Type.(*ast.StructType); ok {
					for _, f := range s.Fields.List {
						for _, fieldName := range f.Names {
							docs[typ.Name.Name+"."+fieldName.Name] = f.Doc.Text()
						}
					}
				}
			}
			return false
		})
	}
	return docs
}
