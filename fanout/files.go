package fanout

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"sluice/export"
	"sluice/fhir"
)

// fileBuilder groups parts into the few, large virtual files that clients download. Nothing is copied: a file is a list of parts.
type fileBuilder struct {
	e    *Engine
	j    *job
	m    *export.Manifest
	open map[string]*openFile
	errs openFile
	n    map[string]int
}

type openFile struct {
	extents    []export.Extent
	raw, lines int64
}

func (o *openFile) add(p export.Part) {
	o.extents = append(o.extents, export.Extent{Key: p.Key, PartStat: p.PartStat})
	o.raw += p.Raw
	o.lines += p.Lines
}

// add takes the parts of one segment, in the order of chunks.
func (f *fileBuilder) add(ctx context.Context, c *export.Commit) error {
	if f.open == nil {
		f.open, f.n = map[string]*openFile{}, map[string]int{}
	}
	for _, p := range c.Parts {
		o := f.open[p.Type]
		if o == nil {
			o = &openFile{}
			f.open[p.Type] = o
		}
		if len(o.extents) > 0 && o.raw+p.Raw > f.e.FileSize {
			if err := f.flush(ctx, p.Type); err != nil {
				return err
			}
			o = &openFile{}
			f.open[p.Type] = o
		}
		o.add(p)
		f.m.Rows += p.Lines
	}
	for _, p := range c.Errors {
		f.errs.add(p)
	}
	return nil
}

// flush writes the extent table of a type's open file.
func (f *fileBuilder) flush(ctx context.Context, typ string) error {
	info, err := f.write(ctx, typ, f.open[typ])
	if err != nil {
		return err
	}
	f.m.Output = append(f.m.Output, info)
	delete(f.open, typ)
	return nil
}

func (f *fileBuilder) write(ctx context.Context, typ string, o *openFile) (export.FileInfo, error) {
	f.n[typ]++
	name := fmt.Sprintf("%s.%04d.ndjson", typ, f.n[typ])
	key := export.FileKey(f.j.id, f.m.Attempt, name)
	err := f.e.writeOnce(ctx, key, &export.File{Format: f.j.spec.Format, Name: name, Type: typ, Extents: o.extents})
	if err != nil {
		return export.FileInfo{}, fmt.Errorf("write %s: %w", key, err)
	}
	return export.FileInfo{Name: name, Type: typ, Lines: o.lines, Raw: o.raw, Key: key}, nil
}

// finalErrors writes the error lines that only the end of an export can tell.
func (f *fileBuilder) finalErrors(ctx context.Context, issues []fhir.Issue) error {
	if len(issues) == 0 {
		return nil
	}
	p := newOpenPart(export.FinalErrorPartKey(f.j.id, f.m.Attempt), "OperationOutcome")
	for _, is := range issues {
		line, err := json.Marshal(fhir.OperationOutcome{ResourceType: "OperationOutcome", Issue: []fhir.Issue{is}})
		if err != nil {
			return err
		}
		if err := p.write(append(line, '\n')); err != nil {
			return err
		}
	}
	part, err := p.put(ctx, f.e)
	if err != nil {
		return err
	}
	f.errs.add(part)
	return nil
}

// close writes the files that are still open. A failed export hands nothing out.
func (f *fileBuilder) close(ctx context.Context) error {
	for _, typ := range slices.Sorted(maps.Keys(f.open)) {
		if err := f.flush(ctx, typ); err != nil {
			return err
		}
	}
	slices.SortFunc(f.m.Output, func(a, b export.FileInfo) int { return strings.Compare(a.Name, b.Name) })
	if f.n == nil {
		f.n = map[string]int{}
	}
	if len(f.errs.extents) > 0 {
		info, err := f.write(ctx, "OperationOutcome", &f.errs)
		if err != nil {
			return err
		}
		f.m.Errors = []export.FileInfo{info}
	}
	if f.m.Outcome != nil {
		f.m.Output, f.m.Rows = nil, 0
	}
	return nil
}
