package fanout

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"runtime"
	"runtime/debug"
	"slices"

	"sluice/export"
	"sluice/fhir"
)

const (
	maxRestarts = 3       // of one chain whose next links die
	maxRereads  = 2       // of one chain that gave less than its total
	maxPages    = 100_000 // of one chain: more is a server that never ends
	maxIdle     = 2       // pages in a row without a new row
	maxFailures = 3       // patients in a row for whom a type fails in any way before the rest of the chunk is asked for it once only
	maxRefusals = 3       // patients in a row for whom a type is refused before the rest of the chunk is not asked for
)

// tries counts what the upstream made of a type in this chunk.
type tries struct {
	answered bool
	failed   int // searches that failed for good
	refusals int
	failure  export.Failure
}

func (r *chunkRun) triesOf(typ string) *tries {
	t := r.tries[typ]
	if t == nil {
		t = &tries{}
		r.tries[typ] = t
	}
	return t
}

// chain reads one chain from its position to its end. A chain that cannot be read becomes a failure on record; the error it returns
// is about the whole chunk: lost, put back, or the store.
func (r *chunkRun) chain(ctx, drain context.Context, c chain) error {
	t := r.triesOf(c.typ)
	if !t.answered && t.refusals >= maxRefusals {
		f := t.failure
		f.Scope, f.Text = c.scope, "not asked for: "+f.Text
		r.lost(c, f)
		return nil
	}
	var err error
	if c.read != nil {
		err = r.read(ctx, drain, c)
	} else {
		err = r.pages(ctx, drain, c)
	}
	if err == nil {
		t.answered = true
		return nil
	}
	var back *putBack
	if errors.As(err, &back) || context.Cause(ctx) != nil {
		return err
	}
	if after, ok := unavailable(err); ok {
		return &putBack{after, "paused: the upstream cannot be asked now"}
	}
	var own *ownError
	if errors.As(err, &own) {
		return own.error
	}
	f := failureOf(c, err)
	r.e.Log.WarnContext(ctx, "search failed for good", "job", r.j.id, "item", r.lease.Item, "type", c.typ, "status", f.Status, "code", f.Code)
	t.failed++
	if refused(err) {
		t.refusals++
		t.failure = f
	}
	r.lost(c, f)
	return nil
}

// ownError is an error of our side in the middle of a chain: the store, not the upstream.
type ownError struct{ error }

func (e *ownError) Unwrap() error { return e.error }

func (r *chunkRun) fail(f export.Failure) {
	r.seg.record.Failures = append(r.seg.record.Failures, f)
}

// lost puts on record that a chain gives nothing more: one failure for each resource that it was to read by id.
func (r *chunkRun) lost(c chain, f export.Failure) {
	if c.asked == nil || c.read != nil {
		r.fail(f)
		return
	}
	for _, id := range slices.Sorted(maps.Keys(c.asked)) {
		f.Scope = c.typ + "/" + id
		if _, met := r.seen[hashID(f.Scope)]; !met {
			r.fail(f)
		}
	}
}

// failureOf says in our own words why a search failed.
func failureOf(c chain, err error) export.Failure {
	f := export.Failure{Type: c.typ, Scope: c.scope, Code: "exception", Text: "the upstream's answer could not be used"}
	var p *panicError
	if errors.As(err, &p) {
		f.Text = "an error inside the gateway"
	}
	var lie *pagingError
	if errors.As(err, &lie) {
		f.Text = lie.Error()
	}
	if se := asSourceError(err); se != nil {
		f.Status, f.Code = se.Status(), se.Code()
		switch {
		case f.Status >= 400:
			f.Text = fmt.Sprintf("the upstream answered HTTP %d", f.Status)
		case f.Status == 0:
			f.Text = "the upstream gave no answer"
		}
	}
	if f.Code == "" {
		f.Code = "exception"
	}
	return f
}

// pagingError is a chain whose pages cannot be believed.
type pagingError struct{ text string }

func (e *pagingError) Error() string { return e.text }

// panicError is a panic that was caught. While a page is read it costs that chain; elsewhere it is counted, and costs the chain at hand
// when it comes again and again.
type panicError struct {
	value any
	stack string
}

func (e *panicError) Error() string { return "panic" }

// said is what a log may hold of it: a value of our own or a library's making may quote data of patients, so that only its type is told.
func (e *panicError) said() string {
	if err, ok := e.value.(runtime.Error); ok {
		return err.Error()
	}
	return fmt.Sprintf("%T", e.value)
}

// recovered turns a panic into an error; it is to be deferred.
func recovered(err *error) {
	if p := recover(); p != nil {
		*err = &panicError{p, string(debug.Stack())}
	}
}

// pages follows a chain from r.pos to its last page.
func (r *chunkRun) pages(ctx, drain context.Context, c chain) error {
	restarts, rereads, idle, rounds := 0, 0, 0, 0
	for {
		rows, page, err := r.page(ctx, c, r.pos.Next)
		if err != nil && r.told() && beyond(err) {
			r.endOfChain(c)
			r.fail(export.Failure{Type: c.typ, Scope: c.scope, Code: codeIncomplete, Remark: true,
				Text: fmt.Sprintf("all %d resources announced were read, but the last page leads to one more that could not be read", *r.pos.Total)})
			return nil
		}
		if expired(err) && r.pos.Next != "" && restarts < maxRestarts {
			restarts++
			r.again()
			continue
		}
		if err != nil {
			waited, end := r.waitsOut(ctx, drain, c.typ, &rounds, err)
			if end != nil {
				return &ownError{end}
			}
			if waited {
				continue
			}
			return err
		}
		rounds = 0
		r.pos.Page++
		if err := r.accept(ctx, c, rows, page); err != nil {
			return &ownError{err}
		}
		if page.Next == "" {
			if r.short(c) && rereads < maxRereads {
				rereads++
				r.again()
				continue
			}
			r.endOfChain(c)
			return nil
		}
		if idle++; rows.fresh > 0 || r.pos.Page <= r.pos.Far {
			idle = 0
		}
		switch {
		case r.told() && (page.Next == r.pos.Next || idle >= maxIdle):
			r.endOfChain(c)
			return nil
		case page.Next == r.pos.Next || idle >= maxIdle:
			return &pagingError{"the upstream's pages repeat themselves: the search was ended"}
		case r.pos.Page >= maxPages:
			return &pagingError{"the upstream's pages do not end: the search was ended"}
		}
		r.pos.Next = page.Next
		if err := r.border(ctx, drain); err != nil {
			return &ownError{err} // the store or Redis, never the upstream: the chain has not failed
		}
	}
}

// told tells that all rows that the upstream announced for the chain were read. There may be more, since totals are estimates at some
// servers: what leads further is followed, but a page that cannot be had or gives nothing new is the end. A total of the first page alone is not
// believed so far: some servers put the rows of the page there.
func (r *chunkRun) told() bool {
	return r.pos.Page > 1 && r.pos.Total != nil && r.pos.Seen == *r.pos.Total && r.shape.splits(r.pos.Type) == 1
}

// beyond tells that an error is the upstream's about this one page.
func beyond(err error) bool {
	var own *ownError
	if _, waits := unavailable(err); waits || errors.As(err, &own) {
		return false
	}
	return asSourceError(err) != nil
}

// again goes back to the first page of the chain. What was read of it is remembered by id, and how far that went: also by whoever goes
// on from the next commit, pages without a new row are no sign of a loop up to there.
func (r *chunkRun) again() {
	r.pos.Far = max(r.pos.Far, r.pos.Page)
	r.pos.Page, r.pos.Next = 0, ""
}

// page reads one page. A panic in it is the page's error.
func (r *chunkRun) page(ctx context.Context, c chain, next string) (rows *pageRows, page fhir.Page, err error) {
	rows = newPageRows(r, c)
	defer func() {
		if p := recover(); p != nil {
			r.e.Log.ErrorContext(ctx, "panic while reading a page", "job", r.j.id, "item", r.lease.Item, "type", c.typ, "stack", string(debug.Stack()))
			err = &panicError{value: p}
		}
		r.buffer = rows.lines[:0]
	}()
	r.seg.record.Requests++
	q := c.query
	if t := r.triesOf(c.typ); !t.answered && t.failed >= maxFailures || next != "" && r.told() {
		q = q.Once()
	}
	page, err = r.e.Source.Page(ctx, q, next, rows)
	if rows.fatal != nil {
		return rows, page, &ownError{rows.fatal}
	}
	return rows, page, err
}

// accept writes a complete page and adds it to the sums.
func (r *chunkRun) accept(ctx context.Context, c chain, rows *pageRows, page fhir.Page) error {
	if page.Total != nil && r.pos.Total == nil {
		total := *page.Total
		r.pos.Total = &total
	}
	st := r.rows(c.typ)
	st.Rows += rows.stat.Rows
	st.Repeated += rows.stat.Repeated
	st.Foreign += rows.stat.Foreign
	st.Outside += rows.stat.Outside
	r.pos.Seen += r.news(rows)
	return rows.accept(r.seg, func(typ string) error { return r.seg.closeType(ctx, typ) })
}

// news is how many rows of a page count against the total of its chain. A row that an earlier page gave is none, else pages that repeat
// some rows and leave out as many would look complete. Of a chain that is asked for in several searches each is counted by itself.
func (r *chunkRun) news(rows *pageRows) int64 {
	if r.shape.splits(r.pos.Type) > 1 {
		return int64(len(rows.page))
	}
	n := rows.fresh
	if r.pos.Far == 0 {
		n += rows.stat.Foreign
	}
	return n
}

// short tells that the upstream announced more rows than it gave.
func (r *chunkRun) short(c chain) bool {
	return r.pos.Total != nil && r.pos.Seen < *r.pos.Total && r.shape.splits(r.pos.Type) == 1 && c.asked == nil
}

// endOfChain closes the sums of a chain and says what stayed short.
func (r *chunkRun) endOfChain(c chain) {
	st := r.rows(c.typ)
	st.Chains++
	if r.pos.Total != nil {
		st.Expected += *r.pos.Total
		st.Seen += r.pos.Seen
	}
	if r.short(c) {
		r.fail(export.Failure{Type: c.typ, Scope: c.scope, Code: codeIncomplete, Remark: true,
			Text: fmt.Sprintf("the upstream announced %d resources and gave %d", *r.pos.Total, r.pos.Seen)})
	}
	if !c.absent {
		return
	}
	switch {
	case c.asked == nil && r.pos.Seen == 0:
		r.fail(export.Failure{Type: c.typ, Scope: c.scope, Code: codeNotFound, Remark: true, Text: "not known to the upstream"})
	case c.asked != nil:
		for id := range c.asked {
			if _, met := r.seen[hashID(c.typ+"/"+id)]; !met {
				r.fail(export.Failure{Type: c.typ, Scope: c.typ + "/" + id, Code: codeNotFound, Remark: true, Text: "referred to, but not known to the upstream"})
			}
		}
	}
}

// Codes of failures that are no failed searches: they count for the error files, not against the job.
const (
	codeIncomplete = "incomplete"
	codeNotFound   = "not-found"
)

// read fetches the one reference of a chain.
func (r *chunkRun) read(ctx, drain context.Context, c chain) error {
	ref, rounds := *c.read, 0
	for {
		r.seg.record.Requests++
		raw, err := r.e.Source.Read(ctx, ref)
		if se := asSourceError(err); se != nil && (se.Status() == http.StatusNotFound || se.Status() == http.StatusGone) {
			r.fail(export.Failure{Type: ref.Type, Scope: c.scope, Status: se.Status(), Code: codeNotFound, Remark: true, Text: "referred to, but not known to the upstream"})
			break
		}
		if err == nil {
			rows := newPageRows(r, c)
			if err := rows.Entry(fhir.Entry{Resource: raw}); err != nil {
				return err
			}
			if err := r.accept(ctx, c, rows, fhir.Page{}); err != nil {
				return &ownError{err}
			}
			r.buffer = rows.lines[:0]
			break
		}
		if waited, end := r.waitsOut(ctx, drain, c.typ, &rounds, err); end != nil {
			return &ownError{end}
		} else if !waited {
			return err
		}
	}
	r.rows(c.typ).Chains++
	return nil
}
