package upstream

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"sluice/fhir"
)

//go:embed profiles/*.yaml
var profiles embed.FS

// profile is what a vendor's servers need beyond what their CapabilityStatement says.
type profile struct {
	Description string          `yaml:"description"`
	Types       map[string]rule `yaml:"types"`
}

// rule is how one type differs.
type rule struct {
	Skip  string         `yaml:"skip"`  // why the type is not searched at all; "" searches it
	Param string         `yaml:"param"` // patient parameter to use in place of the declared one
	Extra [][]fhir.Param `yaml:"extra"` // required further parameters, one search an element
	Count *int           `yaml:"count"` // _count to ask for, 0 for none
	Since string         `yaml:"since"` // "lastUpdated" or "none", in place of what is declared
}

// loadProfile returns a built-in profile by its name, or the one in a file.
func loadProfile(name string) (*profile, error) {
	raw, err := profiles.ReadFile("profiles/" + name + ".yaml")
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrInvalid) {
		if !strings.ContainsAny(name, `/\.`) {
			return nil, fmt.Errorf("profile %q is none of %s, nor the path of a file", name, strings.Join(profileNames(), ", "))
		}
		raw, err = os.ReadFile(name)
	}
	if err != nil {
		return nil, fmt.Errorf("profile: %w", err)
	}
	p := new(profile)
	if err := yaml.Load(raw, p, yaml.WithKnownFields()); err != nil {
		return nil, fmt.Errorf("profile %s: %w", name, err)
	}
	for t, r := range p.Types {
		if !fhir.ValidType(t) {
			return nil, fmt.Errorf("profile %s: %q is no FHIR R4 resource type", name, t)
		}
		if r.Param != "" && fhir.PatientPaths(t, r.Param) == nil {
			return nil, fmt.Errorf("profile %s: %s: rows found by %q could not be checked: it is no patient parameter of FHIR R4", name, t, r.Param)
		}
		if !slices.Contains([]string{"", "lastUpdated", "none"}, r.Since) {
			return nil, fmt.Errorf("profile %s: %s: since is %q, not lastUpdated or none", name, t, r.Since)
		}
	}
	return p, nil
}

func profileNames() []string {
	entries, _ := profiles.ReadDir("profiles")
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".yaml"))
	}
	return names
}
