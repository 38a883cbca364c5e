package stack

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
)

// Binaries are the paths of the programs under test.
type Binaries struct{ Sluice, Upstream string }

// Build compiles sluice, with build tags if given, and the fake FHIR server into dir.
func Build(ctx context.Context, dir, tags string) (Binaries, error) {
	b := Binaries{Sluice: filepath.Join(dir, "sluice"), Upstream: filepath.Join(dir, "fhirserver")}
	for out, pkg := range map[string]string{b.Sluice: "sluice/cmd/sluice", b.Upstream: "sluice/test/fhirserver/cmd/fhirserver"} {
		if text, err := exec.CommandContext(ctx, "go", "build", "-tags", tags, "-o", out, pkg).CombinedOutput(); err != nil {
			return b, fmt.Errorf("build %s: %w\n%s", pkg, err, text)
		}
	}
	return b, nil
}
