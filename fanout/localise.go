package fanout

import (
	"bytes"
	"strings"
)

// localise makes absolute references under the upstream's bases relative: "http://ehr/fhir/Patient/1" becomes "Patient/1", so
// that no upstream address reaches a file (DATA-15). Only the value of a Reference.reference is touched, and only where the whole
// base is its prefix. The line is changed in place; it only gets shorter.
func localise(line []byte, bases []string) []byte {
	const key = `"reference":"`
	for _, base := range bases {
		abs := []byte(key + strings.TrimSuffix(base, "/") + "/")
		if !bytes.Contains(line, abs) {
			continue
		}
		out, rest := line[:0], line
		for {
			at := bytes.Index(rest, abs)
			if at < 0 {
				break
			}
			out = append(out, rest[:at+len(key)]...)
			// In compact JSON a member name follows "{" or ","; elsewhere these bytes are the end of some other name.
			if member := at > 0 && (rest[at-1] == '{' || rest[at-1] == ','); !member {
				out = append(out, abs[len(key):]...)
			}
			rest = rest[at+len(abs):]
		}
		line = append(out, rest...)
	}
	return line
}
