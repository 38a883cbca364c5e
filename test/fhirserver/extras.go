package fhirserver

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/template"
)

// extraRows are the rows Options.Extras adds. Each line is a template of one
// resource, with
//
//	{{patient 0}}               id of the first patient
//	{{nth "Observation" 0 2}}   id of the third Observation of the first patient
//	{{shared "Practitioner" 1}} id of the second Practitioner
//
// and {base}, which is served as the server's own base URL.
//
//go:embed data/extras.ndjson.tmpl
var extraRows string

// errNotThere says that a template asks for a row the data do not have.
var errNotThere = errors.New("no such row")

// danglingRow is the row Options.Dangling adds: what it refers to is not there.
const danglingRow = `{"resourceType":"Observation","id":"dangling-1","status":"final","code":{"text":"seen by somebody unknown"},` +
	`"subject":{"reference":"Patient/{{patient 0}}"},"performer":[{"reference":"Practitioner/not-there"}]}`

// addExtras adds rows from templates; those that need rows the data lack are left out.
func (l *loader) addExtras(rows string) error {
	patients := l.patients()
	lookUp := template.FuncMap{
		"patient": func(n int) (string, error) {
			if n >= len(patients) {
				return "", errNotThere
			}
			return l.rows[patients[n]].id, nil
		},
		"nth": func(typ string, patient, n int) (string, error) {
			return l.nth(n, func(r *loaded) bool { return r.typ == typ && slices.Contains(r.owners, patient) })
		},
		"shared": func(typ string, n int) (string, error) {
			return l.nth(n, func(r *loaded) bool { return r.typ == typ && len(r.owners) == 0 })
		},
	}
	for line := range strings.Lines(rows) {
		t, err := template.New("extra").Funcs(lookUp).Parse(strings.TrimSpace(line))
		if err != nil {
			return fmt.Errorf("extra rows: %w", err)
		}
		var b bytes.Buffer
		err = t.Execute(&b, nil)
		if errors.Is(err, errNotThere) {
			continue
		}
		if err == nil {
			err = l.add(b.Bytes())
		}
		if err != nil {
			return fmt.Errorf("extra rows: %w", err)
		}
	}
	return nil
}

// nth is the id of the nth row, from 0, that f holds for.
func (l *loader) nth(n int, f func(*loaded) bool) (string, error) {
	for _, r := range l.rows {
		if !f(r) {
			continue
		}
		if n == 0 {
			return r.id, nil
		}
		n--
	}
	return "", errNotThere
}
