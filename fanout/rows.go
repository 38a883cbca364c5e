package fanout

import (
	"encoding/json"
	"errors"
	"fmt"

	"sluice/export"
	"sluice/fhir"
)

// pageRows collects what one page gives until the page is complete. Nothing of a half-read page is ever written: Reset forgets it.
type pageRows struct {
	r *chunkRun
	c chain

	lines    []byte // rows of the chain's type, complete lines
	bytes    int64  // of all rows kept, spilled ones included
	stat     export.ChainStat
	met      []metRow
	page     map[rowID]bool // met on this page; true: written
	included []includedRow
	refs     []string
	shared   []string
	deferred []string
	outcomes []*fhir.OperationOutcome
	spill    spill
	fatal    error // an error of ours, not the page's
	fresh    int64 // rows not met before, of whatever fate
}

type metRow struct {
	id      rowID
	written bool
}

type includedRow struct {
	id      rowID
	ref     string
	line    []byte
	targets []fhir.Reference
}

func newPageRows(r *chunkRun, c chain) *pageRows {
	return &pageRows{r: r, c: c, lines: r.buffer[:0], page: map[rowID]bool{}}
}

// Reset forgets what the page gave so far: it is about to be read anew.
func (p *pageRows) Reset() {
	*p = pageRows{r: p.r, c: p.c, lines: p.lines[:0], page: map[rowID]bool{}, fatal: p.fatal}
}

// Entry decides on one entry. It returns an error when the page as a whole is no good.
func (p *pageRows) Entry(en fhir.Entry) error {
	if en.Err != nil {
		p.problem("too-long", "a resource is larger than the limit and was left out")
		return nil
	}
	if en.Resource == nil {
		return nil
	}
	begin := len(p.lines)
	lines, err := fhir.AppendLine(p.lines, en.Resource)
	if bad := (*fhir.ResourceError)(nil); errors.As(err, &bad) {
		p.problem("invalid", "a resource is not valid and was left out: "+bad.Reason)
		return nil
	} else if err != nil {
		return err
	}
	line := lines[begin:]
	head, err := fhir.Peek(line)
	if err != nil {
		p.problem("invalid", "a resource is not valid and was left out: no resourceType")
		return nil
	}
	keep := false
	switch {
	case head.ResourceType == "OperationOutcome" && p.c.typ != "OperationOutcome":
		p.outcome(line)
	case head.ResourceType == p.c.typ && (en.Mode == "match" || en.Mode == ""):
		keep, err = p.match(head, line)
	case head.ResourceType == "Provenance" && (en.Mode == "include" || en.Mode == "") && p.c.query.Has("_revinclude"):
		p.include(head, line)
	}
	if err != nil {
		p.fatal = err
		return err
	}
	if !keep {
		return nil // p.lines still ends at begin
	}
	line = localise(line, p.r.bases)
	p.lines = lines[:begin+len(line)]
	p.bytes += int64(len(line))
	p.stat.Rows++
	if len(p.lines) > p.r.e.PageWindow {
		if p.fatal = p.spill.write(p.r, p.c.typ, p.lines); p.fatal != nil {
			return p.fatal
		}
		p.lines = p.lines[:0]
	}
	return nil
}

// match decides on a row of the type asked for: new, in the window, of the patient asked for, and ours to write.
func (p *pageRows) match(head fhir.Head, line []byte) (bool, error) {
	if !fhir.ValidID(head.ID) {
		p.problem("required", "a resource without a valid id was left out")
		return false, nil
	}
	ref := head.ResourceType + "/" + head.ID
	id := hashID(ref)
	if _, dup := p.page[id]; dup {
		p.stat.Repeated++
		return false, nil
	}
	if _, dup := p.r.seen[id]; dup {
		p.stat.Repeated++
		p.page[id] = false
		return false, nil
	}
	if !p.asked(head, line) {
		p.stat.Foreign++
		p.page[id] = false
		return false, nil
	}
	p.fresh++
	keep := p.inWindow(head)
	if !keep {
		p.stat.Outside++
	} else if p.c.patient != "" && p.c.typ != "Patient" {
		owner, shared, err := p.r.owner(p.c, line)
		if err != nil {
			return false, err
		}
		switch keep = owner; {
		case !owner:
			p.deferred = append(p.deferred, ref)
		case shared:
			p.shared = append(p.shared, ref)
		}
	}
	p.page[id] = keep
	p.met = append(p.met, metRow{id, keep})
	if keep {
		p.refs = p.r.references(p.refs, line)
	}
	return keep, nil
}

// asked tells that a row is one that was asked for: of the patient, by the references that the search goes by, or of the ids.
func (p *pageRows) asked(head fhir.Head, line []byte) bool {
	switch {
	case p.c.asked != nil:
		return p.c.asked[head.ID]
	case p.c.patient == "":
		return true
	case p.c.typ == "Patient":
		return head.ID == p.c.patient
	}
	for _, ref := range p.r.patientsOf(p.c, line) {
		if ref == p.c.patient {
			return true
		}
	}
	return false
}

// inWindow cuts exactly: changed after _since (DATA-20), and not created after the export began (DATA-26). A row that does not
// tell its time is kept (DATA-21).
func (p *pageRows) inWindow(head fhir.Head) bool {
	t := head.LastUpdated
	if !p.c.window || t.IsZero() {
		return true
	}
	if since := p.r.j.spec.Request.Since; !since.IsZero() && !t.After(since) {
		return false
	}
	return head.VersionID != "1" || !t.After(p.r.first.Started)
}

// include notes a Provenance that came with the rows it is about; what becomes of it is decided when the page is complete.
func (p *pageRows) include(head fhir.Head, line []byte) {
	if !fhir.ValidID(head.ID) {
		return
	}
	ref := "Provenance/" + head.ID
	row := includedRow{id: hashID(ref), ref: ref}
	for _, s := range fhir.ReferencesAt(line, "target") {
		if t, ok := fhir.ParseReference(s, p.r.bases...); ok {
			row.targets = append(row.targets, t)
		}
	}
	if len(row.targets) == 1 {
		row.line = append(row.line, localise(line, p.r.bases)...)
	}
	p.included = append(p.included, row)
}

// outcome keeps what the upstream itself has to say, unless it is mere information.
func (p *pageRows) outcome(line []byte) {
	out := new(fhir.OperationOutcome)
	if json.Unmarshal(line, out) != nil {
		return // no outcome at all
	}
	for _, is := range out.Issue {
		if is.Severity != "information" {
			p.outcomes = append(p.outcomes, out)
			return
		}
	}
}

// problem notes one row that cannot be written.
func (p *pageRows) problem(code, text string) {
	scope := p.c.typ
	if p.c.scope != "" {
		scope += " of " + p.c.scope
	}
	p.outcomes = append(p.outcomes, fhir.NewOutcome("error", code, fmt.Sprintf("%s: %s", scope, text)))
}

// accept writes a complete page into the segment.
func (p *pageRows) accept(s *segment, closeType func(typ string) error) error {
	if p.spill.used() {
		if err := closeType(p.c.typ); err != nil {
			return err
		}
		p.spill.adopt(s, p.c.typ)
		s.count(p.c.typ, p.stat.Rows, p.bytes)
		if len(p.lines) > 0 {
			if err := s.append(p.c.typ, p.lines); err != nil {
				return err
			}
		}
	} else if len(p.lines) > 0 {
		if err := s.write(p.c.typ, p.lines, p.stat.Rows); err != nil {
			return err
		}
	}
	r := p.r
	for _, m := range p.met {
		r.meet(m.id, m.written)
	}
	for _, row := range p.included {
		if err := p.acceptIncluded(s, row); err != nil {
			return err
		}
	}
	for _, ref := range p.refs {
		r.follow(ref)
	}
	s.record.Shared = append(s.record.Shared, p.shared...)
	s.record.Deferred = append(s.record.Deferred, p.deferred...)
	for _, out := range p.outcomes {
		if err := s.report(out); err != nil {
			return err
		}
	}
	return nil
}

// acceptIncluded writes a Provenance of one target beside its target, by whoever writes the target. One of several targets may be
// met in many chunks: it is read by id in a wave, once.
func (p *pageRows) acceptIncluded(s *segment, row includedRow) error {
	if len(row.targets) != 1 {
		p.r.follow(row.ref)
		return nil
	}
	if _, dup := p.r.seen[row.id]; dup {
		return nil
	}
	if !p.r.seen[hashID(row.targets[0].String())] {
		return nil // not about a row that was written here
	}
	p.r.meet(row.id, true)
	p.r.rows("Provenance").Rows++
	return s.write("Provenance", row.line, 1)
}
