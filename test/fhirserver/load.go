package fhirserver

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
)

// loader holds the rows of the data before they are multiplied and served.
type loader struct {
	rows   []*loaded
	number map[ref]int32 // of the row with this type and id
}

// loaded is one row of the data.
type loaded struct {
	head
	raw    []byte
	owners []int // places of the patients it belongs to, ascending; none: shared by all copies
	src    *source
}

// readFolder reads all *.ndjson at the top of fsys, by name.
func readFolder(fsys fs.FS) (*loader, error) {
	files, err := fs.Glob(fsys, "*.ndjson")
	if err != nil {
		return nil, err
	}
	slices.Sort(files)
	l := &loader{number: map[ref]int32{}}
	for _, file := range files {
		content, err := fs.ReadFile(fsys, file)
		if err != nil {
			return nil, err
		}
		n := 0
		for line := range bytes.Lines(content) {
			n++
			if line = bytes.TrimSpace(line); len(line) == 0 {
				continue
			}
			if err := l.add(line); err != nil {
				return nil, fmt.Errorf("%s, line %d: %w", file, n, err)
			}
		}
	}
	return l, nil
}

func (l *loader) add(line []byte) error {
	raw, err := compact(line)
	if err != nil {
		return err
	}
	h, err := readHead(raw)
	if err != nil {
		return err
	}
	if h.id == "" {
		return errors.New("resource without id")
	}
	if _, twice := l.number[ref{h.typ, h.id}]; twice {
		return errors.New("type and id stand there twice")
	}
	l.number[ref{h.typ, h.id}] = int32(len(l.rows))
	l.rows = append(l.rows, &loaded{head: h, raw: raw})
	return nil
}

// patients are the numbers of the Patient rows, in order.
func (l *loader) patients() []int32 {
	var out []int32
	for i, r := range l.rows {
		if r.typ == "Patient" {
			out = append(out, int32(i))
		}
	}
	return out
}

// own finds the patients each row belongs to: those it refers to, and those
// of the rows it refers to. Groups belong to nobody.
func (l *loader) own() {
	place := map[int32]int{}
	for i, number := range l.patients() {
		place[number] = i
	}
	direct := make([][]int, len(l.rows))
	for i, r := range l.rows {
		if p, ok := place[int32(i)]; ok {
			direct[i] = append(direct[i], p)
		}
		if r.typ == "Group" {
			continue
		}
		l.eachReferred(r, func(number int32) {
			if p, ok := place[number]; ok {
				direct[i] = append(direct[i], p)
			}
		})
	}
	for i, r := range l.rows {
		r.owners = nil
		if r.typ == "Group" {
			continue
		}
		owners := slices.Clone(direct[i])
		l.eachReferred(r, func(number int32) { owners = append(owners, direct[number]...) })
		slices.Sort(owners)
		r.owners = slices.Compact(owners)
	}
}

// eachReferred calls f with the number of each loaded row that r refers to.
func (l *loader) eachReferred(r *loaded, f func(number int32)) {
	eachReference(r.raw, func(at span) {
		typ, id, ok := localReference(string(r.raw[at.from:at.to]), "")
		if !ok {
			return
		}
		if number, ok := l.number[ref{typ, id}]; ok {
			f(number)
		}
	})
}

// cut keeps the first n patients and drops every row that belongs to another one.
func (l *loader) cut(n int) {
	l.keep(func(r *loaded) bool { return len(r.owners) == 0 || r.owners[len(r.owners)-1] < n })
}

// keep drops the rows f does not hold for.
func (l *loader) keep(f func(*loaded) bool) {
	rows := l.rows
	l.rows, l.number = nil, map[ref]int32{}
	for _, r := range rows {
		if f(r) {
			l.number[ref{r.typ, r.id}] = int32(len(l.rows))
			l.rows = append(l.rows, r)
		}
	}
}

// sources cuts the holes of every row.
func (l *loader) sources() error {
	unique := map[string]int32{} // uuid-shaped ids of owned rows
	for at, number := range l.number {
		if len(l.rows[number].owners) == 0 || !uuidShaped(at.id) {
			continue
		}
		if _, twice := unique[at.id]; twice {
			unique[at.id] = -1
			continue
		}
		unique[at.id] = number
	}
	maps.DeleteFunc(unique, func(_ string, number int32) bool { return number < 0 })
	for i, r := range l.rows {
		edits := r.stamp("1", true)
		if len(r.owners) > 0 {
			edits = append(edits, l.idEdits(r, int32(i), unique)...)
		}
		src := newSource(r.head, r.raw, edits)
		if err := src.keepGiven(r.head, r.raw); err != nil {
			return fmt.Errorf("%s: %w", r.typ, err)
		}
		src.number = int32(i)
		src.links = linksOf(src.params, r.raw, "", func(to ref) int32 {
			if number, ok := l.number[to]; ok && len(l.rows[number].owners) > 0 {
				return number
			}
			return -1
		})
		r.src = src
	}
	return nil
}

// idEdits are holes for the ids that copies replace: the row's own, those in
// references, and uuid-shaped ones wherever they stand, as in identifiers.
func (l *loader) idEdits(r *loaded, own int32, unique map[string]int32) []edit {
	edits := []edit{{span: r.idAt, hole: hole{kind: idHole, number: own}}}
	eachReference(r.raw, func(at span) {
		typ, id, ok := localReference(string(r.raw[at.from:at.to]), "")
		if !ok {
			return
		}
		number, ok := l.number[ref{typ, id}]
		if !ok || len(l.rows[number].owners) == 0 {
			return
		}
		from := at.from + bytes.Index(r.raw[at.from:at.to], []byte(typ+"/"+id)) + len(typ) + 1
		edits = append(edits, edit{span: span{from, from + len(id)}, hole: hole{kind: idHole, number: number}})
	})
	eachUUID(r.raw, func(at span) {
		if number, ok := unique[string(r.raw[at.from:at.to])]; ok {
			edits = append(edits, edit{span: at, hole: hole{kind: idHole, number: number}})
		}
	})
	return edits
}

// linksOf are the references an index must hold for a resource.
func linksOf(params *typeParams, raw []byte, base string, number func(ref) int32) []link {
	var links []link
	for _, p := range params.all {
		if !p.indexed {
			continue
		}
		from := len(links)
		p.references(raw, base, func(typ, id string) {
			l := link{param: p, typ: typ, id: id, number: number(ref{typ, id})}
			if !slices.Contains(links[from:], l) {
				links = append(links, l)
			}
		})
	}
	return links
}
