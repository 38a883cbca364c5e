package audit_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strconv"
	"strings"
	"testing"
)

// The document for compliance explains each type of event.
func TestEachTypeIsDocumented(t *testing.T) {
	doc, err := os.ReadFile("../docs/compliance/audit-log.md")
	if err != nil {
		t.Fatal(err)
	}
	f, err := parser.ParseFile(token.NewFileSet(), "event.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	ast.Inspect(f, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok {
			return true
		}
		n++
		word, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil || !strings.Contains(string(doc), "`"+word+"`") {
			t.Errorf("%s (%q) is not explained", spec.Names[0].Name, word)
		}
		return true
	})
	if n < 15 {
		t.Errorf("only %d constants found", n)
	}
}
