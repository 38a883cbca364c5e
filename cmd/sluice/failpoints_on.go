//go:build failpoints

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/spf13/cobra"

	"sluice/audit"
	"sluice/export"
	"sluice/storage"
)

// failpoints are the named points at which this process kills itself, as a crash does: SLUICE_FAILPOINT=name[:n] means the n-th time
// name is reached. They lie before and after every write that others can see: objects, Redis scripts, audit events.
var failpoints = newFailpoints(os.Getenv("SLUICE_FAILPOINT"))

type failPoints struct {
	name string
	left atomic.Int64
}

func newFailpoints(setting string) *failPoints {
	name, times, counted := strings.Cut(setting, ":")
	f := &failPoints{name: name}
	f.left.Store(1)
	if counted {
		n, err := strconv.ParseInt(times, 10, 64)
		if err != nil || n < 1 {
			panic("SLUICE_FAILPOINT: expected name:n with n from 1 on")
		}
		f.left.Store(n)
	}
	return f
}

// reach is called at each point.
func (f *failPoints) reach(name string) {
	if name != f.name || f.left.Add(-1) != 0 {
		return
	}
	self, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = self.Kill()
	}
	if err != nil {
		panic(err)
	}
	select {} // nothing more happens here
}

// Objects, by the folder or name that their key has in the prefix of a job or of the installation.
var failObjects = []string{
	"spec.json", "plan", "plan.json", "plan-w1.json", "output", "errors", "commits", "files", "manifest.json", "tombstone", "jti", "signing-keys.json",
}

var failScripts = []string{
	"schedule/admit", "job/create", "job/queue", "schedule/pick", "job/claim", "job/heartbeat", "job/checkpoint", "job/complete", "job/advance",
	"job/release", "job/finish", "job/restore", "job/cancel", "job/forget", "schedule/enroll", "schedule/leave", "schedule/settle", "jti",
}

var failEvents = []string{audit.Token, audit.Kickoff, audit.Plan, audit.State, audit.Manifest, audit.DownloadStarted, audit.DownloadEnded, audit.Delete}

// names lists all points.
func (f *failPoints) names() []string {
	var points []string
	for kind, names := range map[string][]string{"put": failObjects, "delete": {"object"}, "redis": failScripts, "audit": failEvents} {
		for _, n := range names {
			points = append(points, "before "+kind+" "+n, "after "+kind+" "+n)
		}
	}
	for i, p := range points {
		points[i] = strings.NewReplacer(" ", "-", "/", "-").Replace(p)
	}
	return points
}

func (f *failPoints) commands(a *app) []*cobra.Command {
	return []*cobra.Command{{
		Use: "failpoints", Short: "List the points for SLUICE_FAILPOINT", Args: noArgs, Example: "  SLUICE_FAILPOINT=after-put-commits:3 sluice serve",
		RunE: func(*cobra.Command, []string) error {
			for _, n := range f.names() {
				fmt.Fprintln(a.stdout, n)
			}
			return nil
		},
	}}
}

func (f *failPoints) script(name string) func() {
	name = strings.ReplaceAll(name, "/", "-")
	f.reach("before-redis-" + name)
	return func() { f.reach("after-redis-" + name) }
}

func (f *failPoints) store(s storage.Store) storage.Store { return failStore{s, f} }

func (f *failPoints) audit(l eventLog) eventLog { return failLog{l, f} }

type failLog struct {
	eventLog
	f *failPoints
}

func (l failLog) Write(ctx context.Context, e audit.Event) error {
	l.f.reach("before-audit-" + e.Type)
	err := l.eventLog.Write(ctx, e)
	l.f.reach("after-audit-" + e.Type)
	return err
}

type failStore struct {
	storage.Store
	f *failPoints
}

// object names the kind of a key: "jobs/<job>/commits/…" and "system/…" by the segment after the first two or one.
func object(key string) string {
	rest, isJob := strings.CutPrefix(key, export.Root)
	if isJob {
		_, rest, _ = strings.Cut(rest, "/")
	} else {
		rest = strings.TrimPrefix(key, export.SystemRoot)
	}
	kind, _, _ := strings.Cut(rest, "/")
	return kind
}

func (s failStore) Create(ctx context.Context, key string, o storage.CreateOptions) (storage.Writer, error) {
	w, err := s.Store.Create(ctx, key, o)
	return failWriter{w, s.f, object(key)}, err
}

func (s failStore) Delete(ctx context.Context, key string) error {
	s.f.reach("before-delete-object")
	err := s.Store.Delete(ctx, key)
	s.f.reach("after-delete-object")
	return err
}

type failWriter struct {
	storage.Writer
	f    *failPoints
	kind string
}

func (w failWriter) Commit() (storage.Info, error) {
	w.f.reach("before-put-" + w.kind)
	info, err := w.Writer.Commit()
	if err == nil || errors.Is(err, storage.ErrExist) {
		w.f.reach("after-put-" + w.kind)
	}
	return info, err
}

var _ io.Writer = failWriter{}
