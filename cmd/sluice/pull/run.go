package pull

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
)

// puller is one pull under way.
type puller struct {
	o     Options
	s     *session
	dir   *folder
	state *state

	mu       sync.Mutex
	lastLine string

	catalog catalog
}

// Run exports and downloads; it returns when every file is whole and every count agrees. Started again with a folder in which the same
// export was interrupted, it goes on with that one. When ctx ends before the export has, the export is deleted on the server.
func Run(ctx context.Context, o Options) (*Result, error) {
	o, base, err := o.check()
	if err != nil {
		return nil, err
	}
	request, err := kickoffURL(base, o)
	if err != nil {
		return nil, err
	}
	p, err := open(ctx, o, base, func(s *state) bool { return s.Request == request && s.Client == o.ClientID })
	if err != nil {
		return nil, err
	}
	defer p.dir.Close()
	if p.state.Status != "" {
		p.say("going on with the export that was interrupted")
		res, err := p.finish(ctx)
		if !isStatus(err, http.StatusNotFound, http.StatusGone) || !errors.Is(err, errFailed) {
			return res, err
		}
		p.say("the server has it no more; starting anew")
	}
	status, err := p.kickoff(ctx, request)
	if err != nil {
		return nil, err
	}
	p.state.Request, p.state.Client, p.state.Status = request, o.ClientID, status
	if err := p.state.save(); err != nil {
		return nil, errors.Join(err, p.cancel(ctx, status))
	}
	p.say("export started")
	return p.finish(ctx)
}

// Resume goes on with an export that was kicked off before, by its status URL.
func Resume(ctx context.Context, o Options, status string) (*Result, error) {
	o, base, err := o.check()
	if err != nil {
		return nil, err
	}
	p, err := open(ctx, o, base, func(s *state) bool { return s.Status == status })
	if err != nil {
		return nil, err
	}
	defer p.dir.Close()
	if p.state.Status == "" {
		p.state.Client, p.state.Status = o.ClientID, status
		if err := p.state.save(); err != nil {
			return nil, err
		}
	}
	return p.finish(ctx)
}

// open makes folder and session; the folder is looked at first, since that costs nothing.
func open(ctx context.Context, o Options, base *url.URL, same func(*state) bool) (*puller, error) {
	dir, err := openFolder(o.Dir)
	if err != nil {
		return nil, err
	}
	p := &puller{o: o, dir: dir}
	if p.state, err = load(p.dir, same); err == nil {
		p.s, err = newSession(ctx, o, base)
	}
	if err != nil {
		p.dir.Close()
		return nil, err
	}
	if base.Scheme == "http" && !loopback(base) {
		p.say("warning: %s is reached without TLS: token and data can be read on the way", base.Host)
	}
	return p, nil
}

// finish waits for the export and downloads it.
func (p *puller) finish(ctx context.Context) (*Result, error) {
	status := p.state.Status
	m, err := p.poll(ctx, status)
	switch {
	case err != nil && ctx.Err() != nil && p.o.Detach:
		return nil, fmt.Errorf("interrupted; the export goes on at the server: %w", ctx.Err())
	case err != nil && ctx.Err() != nil:
		if derr := p.cancel(ctx, status); derr != nil {
			return nil, fmt.Errorf("interrupted; the export could not be deleted on the server: %w", derr)
		}
		return nil, errors.Join(fmt.Errorf("interrupted; the export was deleted on the server: %w", ctx.Err()), p.state.discard())
	case errors.Is(err, errFailed):
		return nil, errors.Join(err, p.state.discard())
	case err != nil:
		return nil, err
	}
	if err := p.place(m); err != nil {
		return nil, err
	}
	p.say("export of %s is complete: %d files", printable(m.TransactionTime, 40), len(p.state.Files))
	if err := p.download(ctx); err != nil {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("interrupted; the same command goes on from here: %w", ctx.Err())
		}
		return nil, err
	}
	res := p.result(m)
	if res.Issues, err = summarize(p.dir, p.state.Files); err != nil {
		return nil, err
	}
	return res, p.dir.write(manifestName, m.pretty())
}

// place lays out the files of the manifest: as before, if this pull was interrupted and the manifest is still the same.
func (p *puller) place(m *manifest) error {
	lists := m.lists()
	p.catalog.set(lists, m.signed())
	if p.state.matches(lists) {
		p.state.reuse()
		return nil
	}
	status, request, client := p.state.Status, p.state.Request, p.state.Client
	if err := p.state.discard(); err != nil {
		return err
	}
	p.state.Status, p.state.Request, p.state.Client = status, request, client
	n := names{}
	for _, l := range lists {
		s := slot{List: l.list, Type: l.typ, Count: l.Count, Name: n.pick(l.URL, l.Type)}
		if p.dir.has(s.Name) {
			return permanentf("%s holds a file %s that is not of this export: choose another folder", p.dir.dir, s.Name)
		}
		p.state.Files = append(p.state.Files, s)
	}
	return p.state.save()
}

// result gathers what is in the folder.
func (p *puller) result(m *manifest) *Result {
	res := &Result{TransactionTime: m.TransactionTime, Status: p.state.Status, Output: []File{}, Deleted: []File{}, Errors: []File{}}
	lists := map[string]*[]File{listOutput: &res.Output, listDeleted: &res.Deleted, listError: &res.Errors}
	for _, f := range p.state.Files {
		*lists[f.List] = append(*lists[f.List], *f.Got)
	}
	return res
}

// say tells a line.
func (p *puller) say(format string, args ...any) { p.tell(fmt.Sprintf(format, args...)) }

// tell tells a line from outside, once in a row.
func (p *puller) tell(line string) {
	line = printable(line, 200)
	p.mu.Lock()
	defer p.mu.Unlock()
	if line != "" && line != p.lastLine {
		p.lastLine = line
		p.o.Progress(line)
	}
}
