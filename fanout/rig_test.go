package fanout_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"

	"sluice/audit"
	"sluice/bulkdata"
	"sluice/export"
	"sluice/fanout"
	"sluice/fhir"
	"sluice/jobs"
	"sluice/storage"
	"sluice/storage/memstore"
	"sluice/test/fhirserver"
	"sluice/upstream"
)

const upstreamBase = "http://upstream.example/fhir"

var follow = []string{"Practitioner", "PractitionerRole", "Organization", "Location", "Medication"}

// rig is a world in virtual time: a fake upstream, the embedded Redis, a store in memory, and any number of engines that share them.
type rig struct {
	t       *testing.T
	fake    *fhirserver.Server
	up      *upstream.Client
	redis   redis.UniversalClient
	jobs    *jobs.Store
	store   *memstore.Store
	types   []string
	log     *logLines
	edit    func(*fanout.Options)
	started func(*fanout.Engine)
	wrap    func(storage.Store) storage.Store // what the engines see of the store
}

// inWorld runs a test in a bubble of virtual time. edit changes the options of every engine.
func inWorld(t *testing.T, o fhirserver.Options, edit func(*fanout.Options), test func(*rig)) {
	t.Helper()
	fake := newFake(t, o) // outside: reading the data takes real time
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC))) // the data are older
		r := &rig{t: t, fake: fake, store: memstore.New(), log: &logLines{}, edit: edit}
		r.connect(upstream.Options{})
		client, stop, err := jobs.Embedded(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer stop()
		r.useRedis(client)
		test(r)
	})
}

func newFake(t *testing.T, o fhirserver.Options) *fhirserver.Server {
	t.Helper()
	o.PublicBase = upstreamBase
	if o.MaxCount == 0 {
		o.DefaultCount, o.MaxCount = 7, 7 // many pages
	}
	fake, err := fhirserver.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return fake
}

// connect makes the upstream client anew; its requests reach the fake without a socket.
func (r *rig) connect(o upstream.Options) {
	o.URL, o.Transport, o.Follow, o.Log = upstreamBase, direct{r.fake}, follow, slog.New(slog.DiscardHandler)
	var err error
	if r.up, err = upstream.New(o); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) useRedis(c redis.UniversalClient) {
	var err error
	if r.jobs, err = jobs.New(jobs.Options{Redis: c, MaxRunning: 5}); err != nil {
		r.t.Fatal(err)
	}
	r.redis = c
}

// direct serves a request by calling the handler.
type direct struct{ h http.Handler }

func (d direct) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	w := &answer{header: http.Header{}, status: http.StatusOK}
	in := req.Clone(req.Context())
	in.RequestURI = req.URL.RequestURI()
	if in.Body == nil {
		in.Body = http.NoBody
	}
	func() {
		defer func() {
			if p := recover(); p != nil {
				if p != http.ErrAbortHandler {
					panic(p)
				}
				w.cut = true
			}
		}()
		d.h.ServeHTTP(w, in)
	}()
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	if w.cut && !w.wrote {
		return nil, io.ErrUnexpectedEOF
	}
	var body io.Reader = &w.body
	if w.cut {
		body = io.MultiReader(body, broken{})
	}
	return &http.Response{
		StatusCode: w.status, Status: http.StatusText(w.status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.header, Body: io.NopCloser(body), ContentLength: -1, Request: req,
	}, nil
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
	wrote  bool
	cut    bool
}

func (w *answer) Header() http.Header { return w.header }
func (w *answer) WriteHeader(status int) {
	if !w.wrote {
		w.status, w.wrote = status, true
		if w.header.Get("Date") == "" {
			w.header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
		}
	}
}
func (w *answer) Write(b []byte) (int, error) { w.WriteHeader(w.status); return w.body.Write(b) }
func (w *answer) Flush()                      {}

// noAudit takes every event: what is audited is tested with the gateway.
type noAudit struct{}

func (noAudit) Write(context.Context, audit.Event) error { return nil }

// logLines keeps what the engines say.
type logLines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logLines) count(msg string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), msg)
}

// engine runs one replica until stop is called.
func (r *rig) engine(source fanout.Source) (stop func()) {
	r.t.Helper()
	if source == nil {
		source = r.up
	}
	o := fanout.Options{Jobs: r.jobs, Store: r.store, Source: source, Audit: noAudit{}, Log: slog.New(slog.NewTextHandler(r.log, nil)), ChunkPatients: 3}
	if r.edit != nil {
		r.edit(&o)
	}
	if r.wrap != nil {
		o.Store = r.wrap(o.Store)
	}
	e, err := fanout.New(o)
	if err != nil {
		r.t.Fatal(err)
	}
	if r.started != nil {
		r.started(e)
	}
	ctx, cancel := context.WithCancel(r.t.Context())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	return sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			r.t.Error(err)
		}
	})
}

// kickOff accepts an export as the gateway does.
func (r *rig) kickOff(level bulkdata.Level, group string, change ...func(*export.Spec)) string {
	r.t.Helper()
	id := jobs.NewID()
	searches, err := r.up.Plan(r.t.Context(), string(level))
	if err != nil {
		r.t.Fatal(err)
	}
	spec := &export.Spec{Format: export.Format, Job: id, Client: "c", Created: time.Now(), Request: bulkdata.Request{Level: level, GroupID: group}}
	for _, s := range searches {
		if r.types == nil || slices.Contains(r.types, s.Type) {
			spec.Types = append(spec.Types, s.Type)
		}
	}
	for _, f := range change {
		f(spec)
	}
	err = errors.Join(r.jobs.Admit(r.t.Context(), id, "c"), export.WriteOnce(r.t.Context(), r.store, export.SpecKey(id), spec), r.jobs.Queue(r.t.Context(), id))
	if err != nil {
		r.t.Fatal(err)
	}
	return id
}

// finished waits until an export has its manifest, for at most d of virtual time.
func (r *rig) finished(id string, d time.Duration) *export.Manifest {
	r.t.Helper()
	for began := time.Now(); time.Since(began) < d; time.Sleep(100 * time.Millisecond) {
		m, err := export.ReadManifest(r.t.Context(), r.store, id)
		if err == nil {
			return m
		}
		if !errors.Is(err, storage.ErrNotExist) {
			r.t.Fatal(err)
		}
	}
	j, err := r.jobs.Get(r.t.Context(), id)
	r.t.Fatalf("not finished after %v: %+v, %v\n%s", d, j, err, &r.log.b)
	return nil
}

// lines are the lines of files as a client reads them.
func (r *rig) lines(files []export.FileInfo) map[string]int {
	r.t.Helper()
	got := map[string]int{}
	for _, info := range files {
		f, err := export.ReadFile(r.t.Context(), r.store, info.Key)
		if err != nil {
			r.t.Fatal(err)
		}
		body, err := export.OpenFile(r.t.Context(), r.store, f, false, 0, f.IdentitySize())
		if err != nil {
			r.t.Fatal(err)
		}
		in, n := bufio.NewScanner(body), int64(0)
		in.Buffer(nil, 64<<20)
		for in.Scan() {
			got[in.Text()]++
			n++
		}
		if err := errors.Join(in.Err(), body.Close()); err != nil {
			r.t.Fatal(err)
		}
		if n != info.Lines {
			r.t.Errorf("%s has %d lines, the manifest says %d", info.Name, n, info.Lines)
		}
	}
	return got
}

// want is the truth, without rows that left tells.
func (r *rig) want(level bulkdata.Level, patients []string, left func(typ string, line []byte) bool) map[string]int {
	want := map[string]int{}
	for typ, lines := range r.fake.Export(string(level), patients, follow) {
		if typ == "Binary" || typ == "Group" && level != bulkdata.System {
			continue
		}
		for _, line := range lines {
			if r.types != nil && !slices.Contains(r.types, typ) || left != nil && left(typ, line) {
				continue
			}
			want[strings.ReplaceAll(string(line), `"reference":"`+upstreamBase+`/`, `"reference":"`)]++
		}
	}
	return want
}

// exact fails unless the export is complete with exactly these rows.
func (r *rig) exact(m *export.Manifest, want map[string]int) {
	r.t.Helper()
	if m.State != string(jobs.Complete) {
		r.t.Fatalf("the export ended %s: %+v", m.State, m.Outcome)
	}
	if d := difference(r.lines(m.Output), want); d != "" {
		r.t.Error(d)
	}
}

func difference(got, want map[string]int) string {
	lost, more := 0, 0
	for line, n := range want {
		lost += max(n-got[line], 0)
	}
	example := ""
	for line, n := range got {
		if n > want[line] {
			more, example = more+n-want[line], line
		}
	}
	if lost+more == 0 {
		return ""
	}
	return fmt.Sprintf("%d rows lost, %d too many of %d; %.60s", lost, more, len(want), example)
}

// orphans are the objects of a finished export that its manifest does not name.
func (r *rig) orphans(id string, m *export.Manifest) (keys []string) {
	r.t.Helper()
	named := map[string]bool{}
	for _, info := range slices.Concat(m.Output, m.Errors) {
		f, err := export.ReadFile(r.t.Context(), r.store, info.Key)
		if err != nil {
			r.t.Fatal(err)
		}
		named[info.Key] = true
		for _, x := range f.Extents {
			named[x.Key] = true
		}
	}
	for _, dir := range []string{"output/", "errors/", "files/"} {
		for info, err := range r.store.List(r.t.Context(), export.Prefix(id)+dir) {
			if err != nil {
				r.t.Fatal(err)
			}
			if !named[info.Key] {
				keys = append(keys, info.Key)
			}
		}
	}
	return keys
}

// issues are the lines of the error files, as "code: diagnostics".
func (r *rig) issues(m *export.Manifest) []string {
	r.t.Helper()
	var all []string
	for line := range maps.Keys(r.lines(m.Errors)) {
		var out fhir.OperationOutcome
		if err := unmarshal(line, &out); err != nil {
			r.t.Fatal(err)
		}
		for _, is := range out.Issue {
			all = append(all, is.Code+": "+is.Diagnostics)
		}
	}
	slices.Sort(all)
	return all
}
