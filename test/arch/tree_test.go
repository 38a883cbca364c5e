package arch

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// root is the folder of the module.
const root = "../.."

// pkg is a package of ours, by its path below the module.
type pkg struct {
	Path    string
	Name    string
	Imports []string // of files that are built into programs
	Tests   []string // of test files besides
}

// packages lists all packages of the module.
var packages = sync.OnceValues(func() ([]pkg, error) {
	cmd := exec.Command("go", "list", "-e", "-json=ImportPath,Name,Imports,TestImports,XTestImports", "./...")
	cmd.Dir, cmd.Stderr = root, os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	var all []pkg
	for d := json.NewDecoder(out); ; {
		var p struct {
			ImportPath, Name                   string
			Imports, TestImports, XTestImports []string
		}
		if err := d.Decode(&p); err == io.EOF {
			return all, cmd.Wait()
		} else if err != nil {
			return nil, err
		}
		all = append(all, pkg{strings.TrimPrefix(p.ImportPath, "sluice/"), p.Name, p.Imports, append(p.TestImports, p.XTestImports...)})
	}
})

func allPackages(t *testing.T) []pkg {
	t.Helper()
	all, err := packages()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 5 {
		t.Fatalf("only %d packages found", len(all))
	}
	return all
}

// files yields the files of the tree that belong to the project, by path with slashes.
func files(t *testing.T, yield func(path string)) {
	t.Helper()
	out := []string{".git", "bin", "node_modules", "sluice-data", "sluice-audit", "sluice-demo", "clients", ".cache"} // as .gitignore has them
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if slices.Contains(out, rel) && d.IsDir() {
			return fs.SkipDir
		}
		if d.Type().IsRegular() {
			yield(rel)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// sources yields the Go files that are built into programs: no tests, nothing below test.
func sources(t *testing.T, yield func(path string, set *token.FileSet, f *ast.File)) {
	t.Helper()
	n := 0
	files(t, func(path string) {
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.HasPrefix(path, "test/") || strings.Contains(path, "/testdata/") {
			return
		}
		n++
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, filepath.Join(root, path), nil, parser.ParseComments)
		if err != nil {
			t.Error(err)
			return
		}
		yield(path, set, f)
	})
	if n < 10 {
		t.Fatalf("only %d sources found", n)
	}
}

// within says if a package or file is at or below one of the folders.
func within(path string, folders ...string) bool {
	for _, f := range folders {
		if path == f || strings.HasPrefix(path, f+"/") {
			return true
		}
	}
	return false
}
