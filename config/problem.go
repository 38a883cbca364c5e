package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing that is wrong in the configuration.
type Problem struct {
	Where string // "sluice.yaml:12" or "SLUICE_UPSTREAM_RATE"; "" where the key is nowhere given
	Path  string // "upstream.rate"; "" for the file as a whole
	What  string // what was found and what was expected; never a secret

	line int
}

func (p Problem) Error() string {
	var parts []string
	for _, s := range []string{p.Where, p.Path, p.What} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	return strings.Join(parts, ": ")
}

// Problems are all that is wrong, those of the file in its order first.
type Problems []Problem

func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap gives each problem to errors.As.
func (ps Problems) Unwrap() []error {
	errs := make([]error, len(ps))
	for i, p := range ps {
		errs[i] = p
	}
	return errs
}

// origin is where a value came from: a line of the file, or a variable of the environment. The zero origin is the default.
type origin struct {
	name string // file or variable
	line int    // 0 for a variable
}

func (o origin) String() string {
	if o.line > 0 {
		return fmt.Sprintf("%s:%d", o.name, o.line)
	}
	return o.name
}

// check collects problems. A key whose value could not be read is not checked further.
type check struct {
	origins  map[string]origin
	problems Problems
	unread   map[string]bool
}

// say adds a problem of the key at path.
func (k *check) say(path, what string) {
	if !k.unread[path] {
		k.add(k.origins[path], path, what)
	}
}

// bad adds a problem of the form: found this, expected that. What was found is for showing as it is.
func (k *check) bad(path, found, expected string) {
	k.say(path, fmt.Sprintf("found %s, expected %s", found, expected))
}

// cannotRead adds a problem that makes the value at path worthless to check.
func (k *check) cannotRead(o origin, path, what string) {
	k.add(o, path, what)
	if k.unread == nil {
		k.unread = map[string]bool{}
	}
	k.unread[path] = true
}

func (k *check) add(o origin, path, what string) {
	k.problems = append(k.problems, Problem{Where: o.String(), Path: path, What: what, line: o.line})
}

func (k *check) err() error {
	if len(k.problems) == 0 {
		return nil
	}
	slices.SortStableFunc(k.problems, func(a, b Problem) int {
		if (a.line == 0) != (b.line == 0) {
			return cmp.Compare(b.line, a.line)
		}
		return cmp.Compare(a.line, b.line)
	})
	return slices.Compact(k.problems)
}
