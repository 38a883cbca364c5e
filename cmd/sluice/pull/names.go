package pull

import (
	"fmt"
	"net/url"
	"path"
	"strings"

	"sluice/fhir"
)

// names gives each file of a manifest a name in the folder. It comes from the last segment of the URL, so that people find again what
// the server calls it, and ends in .ndjson. Names that differ in case only are told apart, since not every file system does.
type names map[string]bool

func (n names) pick(address, typ string) string {
	if !fhir.ValidType(typ) {
		typ = "resources"
	}
	stem, ndjson := "", false
	if u, err := url.Parse(address); err == nil {
		stem = strings.TrimSuffix(path.Base(u.Path), ".gz") // it is stored inflated
		stem, ndjson = strings.CutSuffix(stem, ".ndjson")
		stem = clean(stem)
	}
	switch {
	case stem == "":
		stem = typ
	case !ndjson && !strings.HasPrefix(stem, typ):
		stem = typ + "." + stem // an id says little
	}
	name := stem
	for i := 2; n[strings.ToLower(name)]; i++ {
		name = fmt.Sprintf("%s-%d", stem, i)
	}
	n[strings.ToLower(name)] = true
	return name + ".ndjson"
}

// clean keeps letters, digits and .-_ of a segment, begins with a letter or digit, and is not long.
func clean(segment string) string {
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(".-_", r) {
			return r
		}
		return '_'
	}, segment)
	name = strings.TrimLeft(name, ".-_")
	return name[:min(len(name), 150)]
}
