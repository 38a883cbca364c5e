package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sluice/auth"
	"sluice/bulkdata"
	"sluice/cmd/sluice/pull"
	"sluice/config"
	"sluice/test/fhirserver"
)

// rig is a fake upstream and a Sluice in front of it that can be stopped and started again on the same store.
type rig struct {
	t    *testing.T
	fake *fhirserver.Server
	cfg  *config.Config
	dir  string
	key  []byte
	stop func()
	at   [2]string // public and admin addresses: the same after a restart
}

func newRig(t *testing.T, o fhirserver.Options) *rig {
	t.Helper()
	var h http.Handler
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(w, r) }))
	t.Cleanup(up.Close)
	o.Base, o.PublicBase = "/fhir", up.URL+"/fhir"
	fake, err := fhirserver.New(o)
	if err != nil {
		t.Fatal(err)
	}
	h = fake
	cfg := config.Default()
	cfg.Upstream.URL, cfg.Upstream.Rate = o.PublicBase, 0
	r := &rig{t: t, fake: fake, cfg: cfg, dir: t.TempDir(), at: [2]string{"127.0.0.1:0", "127.0.0.1:0"}}
	cfg.Storage.URL = "file:" + filepath.Join(r.dir, "store")
	cfg.Audit.Dir, cfg.Auth.ClientsDir = filepath.Join(r.dir, "audit"), filepath.Join(r.dir, "clients")
	keyFile := filepath.Join(r.dir, "key.json")
	if err := newClientWithKey(t.Context(), auth.NewFileRegistry(cfg.Auth.ClientsDir), "loader", keyFile, false); err != nil {
		t.Fatal(err)
	}
	if r.key, err = os.ReadFile(keyFile); err != nil {
		t.Fatal(err)
	}
	r.start()
	return r
}

func (r *rig) start() {
	r.t.Helper()
	public, err1 := net.Listen("tcp", r.at[0])
	admin, err2 := net.Listen("tcp", r.at[1])
	if err := errors.Join(err1, err2); err != nil {
		r.t.Fatal(err)
	}
	r.at = [2]string{public.Addr().String(), admin.Addr().String()}
	r.cfg.Server.Listen, r.cfg.Server.AdminListen = public.Addr().String(), admin.Addr().String()
	r.cfg.Server.PublicURL = "http://" + public.Addr().String() + "/fhir"
	ctx, stop := context.WithCancel(context.WithoutCancel(r.t.Context()))
	in, err := newInstance(ctx, r.cfg, roleAll, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		stop()
		r.t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- in.serve(ctx, public, admin) }()
	r.stop = func() {
		stop()
		if err := <-done; err != nil {
			r.t.Error(err)
		}
		in.close()
	}
	r.t.Cleanup(func() { r.stop(); r.stop = func() {} })
}

func (r *rig) pull(o pull.Options) (*pull.Result, error) {
	o.URL, o.ClientID, o.Key = r.cfg.Server.PublicURL, "loader", r.key
	if o.Dir == "" {
		o.Dir = filepath.Join(r.t.TempDir(), "out")
	}
	ctx, done := context.WithTimeout(r.t.Context(), time.Minute)
	defer done()
	return pull.Run(ctx, o)
}

// equal fails the test unless the files hold exactly what the upstream has for these patients.
func (r *rig) equal(res *pull.Result, level string, patients []string) {
	r.t.Helper()
	want := r.fake.Export(level, patients, r.cfg.Export.FollowReferences)
	delete(want, "Binary") // never a line of an export: attachments carry it
	if level != "system" {
		delete(want, "Group")
	}
	if rows, err := compare(res.Output, want, r.cfg.Upstream.URL); err != nil {
		r.t.Errorf("%d rows: %v", rows, err)
	}
}

// Every level gives every row of the upstream once, byte for byte (J59, DATA-02, DATA-04, DATA-16).
func TestExportLevels(t *testing.T) {
	r := newRig(t, fhirserver.Options{Patients: 10, Extras: true})
	for _, tc := range []struct {
		name     string
		o        pull.Options
		level    string
		patients []string
	}{
		{"system", pull.Options{Level: bulkdata.System}, "system", nil},
		{"patient", pull.Options{Level: bulkdata.Patient}, "patient", r.fake.PatientIDs()},
		{"group", pull.Options{Level: bulkdata.Group, GroupID: "half"}, "group", r.fake.Members("half")},
	} {
		t.Run(tc.name, func(t *testing.T) {
			res, err := r.pull(tc.o)
			if err != nil {
				t.Fatal(err)
			}
			r.equal(res, tc.level, tc.patients)
		})
	}
}

// An empty Group exports nothing and asks nothing; an unknown one is refused (J30, J42).
func TestEmptyAndUnknownGroup(t *testing.T) {
	r := newRig(t, fhirserver.Options{Patients: 4, Extras: true})
	res, err := r.pull(pull.Options{Level: bulkdata.Group, GroupID: "empty"})
	if err != nil || len(res.Output) != 0 {
		t.Errorf("empty Group: %v, %v; want no file", res, err)
	}
	if _, err = r.pull(pull.Options{Level: bulkdata.Group, GroupID: "nobody"}); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("unknown Group: %v, want 404", err)
	}
}

// A stop in mid-job and a restart lose nothing and double nothing (J9, J10).
func TestRestartInMidJob(t *testing.T) {
	slow := time.Millisecond
	r := newRig(t, fhirserver.Options{Patients: 60, Extras: true, Delay: slow})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	// The first pull loses its server in the middle; the job is in the store by then.
	first := make(chan error, 1)
	go func() {
		_, err := pull.Run(ctx, pull.Options{URL: r.cfg.Server.PublicURL, ClientID: "loader", Key: r.key, Level: bulkdata.Patient, Dir: filepath.Join(r.dir, "first"), Patience: time.Millisecond})
		first <- err
	}()
	commits := func() []string {
		found, _ := filepath.Glob(filepath.Join(r.dir, "store", "jobs", "*", "commits", "*.json"))
		return found
	}
	for len(commits()) == 0 {
		time.Sleep(5 * time.Millisecond)
	}
	r.stop()
	<-first
	committed := len(commits())
	done, _ := filepath.Glob(filepath.Join(r.dir, "store", "jobs", "*", "manifest.json"))
	if len(done) > 0 {
		t.Fatal("the job was over before the stop: nothing is shown")
	}
	r.start()
	var manifest []string
	for len(manifest) == 0 {
		if t.Context().Err() != nil {
			t.Fatal("the job did not finish")
		}
		time.Sleep(20 * time.Millisecond)
		manifest, _ = filepath.Glob(filepath.Join(r.dir, "store", "jobs", "*", "manifest.json"))
	}
	if len(commits()) <= committed {
		t.Errorf("%d commits before and after: nothing was done after the restart", committed)
	}
	job := filepath.Base(filepath.Dir(manifest[0]))
	res := r.fetch(job)
	r.equal(res, "patient", r.fake.PatientIDs())
}

// fetch reads the virtual files of a finished job from the store by way of the gateway, under the same status URL.
func (r *rig) fetch(job string) *pull.Result {
	r.t.Helper()
	res, err := pull.Resume(r.t.Context(), pull.Options{
		URL: r.cfg.Server.PublicURL, ClientID: "loader", Key: r.key, Dir: filepath.Join(r.t.TempDir(), "resumed"),
	}, r.cfg.Server.PublicURL+"/bulkstatus/"+job)
	if err != nil {
		r.t.Fatal(err)
	}
	return res
}

// A page that fails now and then is read again; the rows stay exact (P52, P58).
func TestFaultyPages(t *testing.T) {
	r := newRig(t, fhirserver.Options{Patients: 6, Extras: true, Faults: fhirserver.On(fhirserver.Fault{Status: http.StatusInternalServerError}, fhirserver.ForType("Condition"), fhirserver.Once())})
	res, err := r.pull(pull.Options{Level: bulkdata.Group, GroupID: "half", Types: []string{"Patient", "Condition"}})
	if err != nil {
		t.Fatal(err)
	}
	var all bytes.Buffer
	for _, f := range res.Output {
		body, err := os.ReadFile(f.Path)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(body)
	}
	members := r.fake.Members("half")
	if got := strings.Count(all.String(), `{"resourceType":"Patient"`); got != len(members) {
		t.Errorf("%d patients, want %d", got, len(members))
	}
	if len(res.Errors) > 0 {
		t.Errorf("error files: %v", res.Errors)
	}
	if got := r.fake.Counts().Status[http.StatusInternalServerError]; got != 1 {
		t.Errorf("the fault was served %d times, want once", got)
	}
}
