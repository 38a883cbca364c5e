package arch

import (
	"go/ast"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"sluice/telemetry"
)

// Only upstream asks the FHIR server; auth fetches keys and tokens; cmd is a client of others (pull) and wires. The gateway's pass-through gets its
// RoundTripper from upstream. storage/blobstore gives the libraries of the clouds their transports.
func TestOnlyUpstreamAuthAndCmdSendRequests(t *testing.T) {
	senders := []string{"Client", "DefaultClient", "Transport", "DefaultTransport", "Get", "Head", "Post", "PostForm"}
	sources(t, func(path string, set *token.FileSet, f *ast.File) {
		if within(path, "upstream", "auth", "cmd", "storage/blobstore") {
			return
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok && isName(sel.X, "http") && slices.Contains(senders, sel.Sel.Name) {
				t.Errorf("%s: http.%s: only upstream, auth and cmd send requests", position(set, n), sel.Sel.Name)
			}
			return true
		})
	})
}

// A key that telemetry does not know would print as "?".
func TestLogKeysAreKnown(t *testing.T) {
	known := telemetry.Keys()
	n := 0
	sources(t, func(path string, set *token.FileSet, f *ast.File) {
		if within(path, "telemetry") {
			return
		}
		ast.Inspect(f, func(node ast.Node) bool {
			for _, arg := range logKeys(node) {
				n++
				if key, ok := stringOf(arg); ok && !slices.Contains(known, key) {
					t.Errorf("%s: log key %q is not listed in telemetry/keys.go", position(set, arg), key)
				} else if !ok {
					t.Errorf("%s: a log key is not a constant text", position(set, arg))
				}
			}
			return true
		})
	})
	if n < 10 {
		t.Errorf("only %d log keys found: does the test still see them?", n)
	}
}

// logKeys returns the keys in a call such as log.InfoContext(ctx, "task done", "job", id).
func logKeys(n ast.Node) []ast.Expr {
	call, ok := n.(*ast.CallExpr)
	if !ok {
		return nil
	}
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return nil
	}
	if isName(sel.X, "slog") && slices.Contains([]string{"String", "Int", "Int64", "Bool", "Any", "Duration", "Time", "Float64", "Uint64"}, sel.Sel.Name) && len(call.Args) == 2 {
		return call.Args[:1]
	}
	if !isLogger(sel.X) {
		return nil
	}
	skip, ok := map[string]int{
		"Debug": 1, "Info": 1, "Warn": 1, "Error": 1, "DebugContext": 2, "InfoContext": 2, "WarnContext": 2, "ErrorContext": 2, "Log": 3, "With": 0,
	}[sel.Sel.Name]
	if !ok || len(call.Args) < skip || call.Ellipsis.IsValid() {
		return nil
	}
	var keys []ast.Expr
	for args := call.Args[skip:]; len(args) > 0; {
		if _, isCall := args[0].(*ast.CallExpr); isCall { // slog.String(…)
			args = args[1:]
			continue
		}
		keys = append(keys, args[0])
		args = args[min(2, len(args)):]
	}
	return keys
}

// isLogger says if an expression is named as loggers are: log, x.log, o.Log, slog.
func isLogger(e ast.Expr) bool {
	name := ""
	switch e := e.(type) {
	case *ast.Ident:
		name = e.Name
	case *ast.SelectorExpr:
		name = e.Sel.Name
	}
	return slices.Contains([]string{"log", "logger", "slog"}, strings.ToLower(name))
}

// A file holds one idea.
func TestFilesStayShort(t *testing.T) {
	const most = 400
	files(t, func(path string) {
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return
		}
		if n := strings.Count(read(t, path), "\n"); n > most {
			t.Errorf("%s has %d lines, more than %d: split it by idea", path, n, most)
		}
	})
}

func TestPackagesAndExportedNamesAreExplained(t *testing.T) {
	explained := map[string]bool{}
	sources(t, func(path string, set *token.FileSet, f *ast.File) {
		dir := filepath.Dir(path)
		explained[dir] = explained[dir] || f.Doc != nil
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Name.IsExported() && d.Doc == nil && receiverExported(d) && d.Name.Name != "Error" && d.Name.Name != "Unwrap" {
					t.Errorf("%s: %s has no comment", position(set, d), d.Name.Name)
				}
			case *ast.GenDecl:
				for _, s := range d.Specs {
					if name, ok := unexplained(d, s); ok {
						t.Errorf("%s: %s has no comment", position(set, s), name)
					}
				}
			}
		}
	})
	for dir, ok := range explained {
		if !ok {
			t.Errorf("package %s has no paragraph that says what it is for", dir)
		}
	}
}

func receiverExported(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	typ := d.Recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	id, ok := typ.(*ast.Ident)
	return ok && id.IsExported()
}

// unexplained returns the exported name of a declaration that no comment, its own or its group's, explains.
func unexplained(d *ast.GenDecl, s ast.Spec) (string, bool) {
	switch s := s.(type) {
	case *ast.TypeSpec:
		return s.Name.Name, s.Name.IsExported() && s.Doc == nil && s.Comment == nil && d.Doc == nil
	case *ast.ValueSpec:
		return s.Names[0].Name, s.Names[0].IsExported() && s.Doc == nil && s.Comment == nil && d.Doc == nil
	}
	return "", false
}

// What belongs to one machine, or to a list of things to do, is not for the tree.
func TestForbiddenWords(t *testing.T) {
	words := []string{"TO" + "DO", "FIX" + "ME", "XX" + "X:", "/wo" + "rk/", "/fa" + "rm/", "/ro" + "ot/", ".lib" + "rary/", "proxy.gol" + "ang.org"}
	files(t, func(path string) {
		switch filepath.Ext(path) {
		case ".sum", ".gz", ".png", ".ico", ".woff2":
			return
		}
		text := read(t, path)
		if !utf8.ValidString(text) || strings.Contains(path, "testdata/fuzz/") {
			return
		}
		for _, w := range words {
			if i := strings.Index(text, w); i >= 0 {
				t.Errorf("%s:%d: %q", path, 1+strings.Count(text[:i], "\n"), w)
			}
		}
	})
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func isName(e ast.Expr, name string) bool {
	id, ok := e.(*ast.Ident)
	return ok && id.Name == name
}

func stringOf(e ast.Expr) (string, bool) {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	s, err := strconv.Unquote(lit.Value)
	return s, err == nil
}

// position says where a node stands, from the root of the module.
func position(set *token.FileSet, n ast.Node) string {
	p := set.Position(n.Pos())
	rel, err := filepath.Rel(root, p.Filename)
	if err != nil {
		rel = p.Filename
	}
	return filepath.ToSlash(rel) + ":" + strconv.Itoa(p.Line)
}
