package arch

import (
	"slices"
	"strings"
	"testing"
)

// ours says which packages of ours each may import. A package without a row follows the nearest one above it, and packages of one row may
// import each other. Data of patients flows upstream → fanout → storage → client; no row may turn it round.
var ours = map[string][]string{
	"fhir":          {},
	"bulkdata":      {"fhir"},
	"auth":          {},
	"auth/outbound": {},
	"upstream":      {"fhir"},
	"jobs":          {"bulkdata"},
	"storage":       {}, // with its backends: they import storage, and storage none of them (that would be a cycle)
	"export":        {"bulkdata", "fhir", "storage"},
	"fanout":        {"audit", "bulkdata", "export", "fhir", "jobs", "storage"},
	"audit":         {},
	"gateway":       {"audit", "auth", "bulkdata", "export", "fhir", "jobs", "storage"},
	"config":        {},
	"telemetry":     {},
	"docs":          {}, // tests of what is written there
	"deid":          {"fhir"},
	"quality":       {"fhir"},
	"cmd":           {"*"},
	"test":          {"*"},
}

// theirs says which packages of ours may import a library, tests apart.
var theirs = map[string][]string{
	"github.com/labstack/echo":            {"gateway"},
	"github.com/redis/go-redis":           {"jobs", "cmd", "test"},
	"github.com/alicebob/miniredis":       {"jobs", "test"},
	"gocloud.dev":                         {"storage/blobstore"},
	"github.com/aws":                      {"storage/blobstore"},
	"cloud.google.com":                    {"storage/blobstore"},
	"github.com/Azure":                    {"storage/blobstore"},
	"golang.org/x/time/rate":              {"upstream", "gateway"}, // towards the FHIR server, and against floods of one caller
	"github.com/sony/gobreaker":           {"upstream"},
	"github.com/cenkalti/backoff":         {"upstream"},
	"github.com/golang-jwt/jwt":           {"auth"},
	"github.com/MicahParks/jwkset":        {"auth"},
	"github.com/prometheus/client_golang": {"telemetry"},
	"github.com/lmittmann/tint":           {"telemetry"},
	"github.com/spf13/cobra":              {"cmd"},
	"github.com/vbauerster/mpb":           {"cmd"},
	"github.com/tidwall/gjson":            {}, // takes broken JSON
	"github.com/minio/simdjson-go":        {}, // changes decimals
	"github.com/google/go-cmp":            {"test"},
	"net/http/httptest":                   {"test"},
	"testing":                             {"test"},
	"net/http/pprof":                      {"cmd", "test"},
	"sluice/storage/storagetest":          {"test"},
	"sluice/test":                         {"cmd", "test"}, // the demo brings the small FHIR server along
}

func TestImportsOfOurs(t *testing.T) {
	for _, p := range allPackages(t) {
		row, ok := rowOf(p.Path)
		if !ok {
			t.Errorf("package %s has no row in the table of this test: say there whom it may import", p.Path)
			continue
		}
		for _, imported := range p.Imports {
			other, isOurs := strings.CutPrefix(imported, "sluice/")
			if !isOurs {
				continue
			}
			otherRow, _ := rowOf(other)
			if otherRow != row && !slices.Contains(ours[row], "*") && !slices.ContainsFunc(ours[row], func(may string) bool { return within(other, may) }) {
				t.Errorf("%s imports %s; it may import only %v", p.Path, other, ours[row])
			}
		}
	}
}

// rowOf returns the row that a package follows.
func rowOf(path string) (string, bool) {
	for path != "" {
		if _, ok := ours[path]; ok {
			return path, true
		}
		i := max(strings.LastIndex(path, "/"), 0)
		path = path[:i]
	}
	return "", false
}

// The two halves meet in jobs, export and storage, and nowhere else: in tests neither.
func TestGatewayAndFanoutNeverMeet(t *testing.T) {
	for _, p := range allPackages(t) {
		for _, imported := range slices.Concat(p.Imports, p.Tests) {
			if within(p.Path, "gateway") && within(imported, "sluice/fanout") || within(p.Path, "fanout") && within(imported, "sluice/gateway") {
				t.Errorf("%s imports %s", p.Path, imported)
			}
		}
	}
}

func TestLibrariesStayInTheirPlace(t *testing.T) {
	for _, p := range allPackages(t) {
		if within(p.Path, "storage/storagetest") { // a suite for tests
			continue
		}
		for _, imported := range p.Imports {
			for library, places := range theirs {
				if within(imported, library) && !within(p.Path, places...) {
					t.Errorf("%s imports %s; only %v may", p.Path, imported, places)
				}
			}
		}
	}
}

func TestPackageNamesSayWhatIsInThem(t *testing.T) {
	for _, p := range allPackages(t) {
		for segment := range strings.SplitSeq(p.Path, "/") {
			if slices.Contains([]string{"util", "utils", "common", "helper", "helpers", "types", "misc", "shared"}, segment) {
				t.Errorf("package %s: name it after what one finds in it", p.Path)
			}
		}
	}
}
