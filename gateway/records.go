package gateway

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"sluice/audit"
	"sluice/auth"
	"sluice/export"
	"sluice/storage"
)

// recordTTL is how long a record is remembered. It is shorter than a tombstone outlives what it buried, so that a removed export
// never comes back from memory.
const recordTTL = time.Minute

// records reads the records of exports and remembers them for a while: they never change. Whether there is a tombstone is asked each time.
type records struct {
	store     storage.Store
	specs     *cache[*export.Spec]
	manifests *cache[*export.Manifest]
	files     *cache[*export.File]
}

func newRecords(s storage.Store) *records {
	return &records{
		store:     s,
		specs:     newCache[*export.Spec](16<<20, recordTTL),
		manifests: newCache[*export.Manifest](16<<20, recordTTL),
		files:     newCache[*export.File](64<<20, recordTTL),
	}
}

// spec returns the record of a job of this client, or storage.ErrNotExist. What is remembered is only used for its owner: for an
// unknown id and for somebody else's, storage is asked the same question, which takes the same time (S2).
func (rs *records) spec(ctx context.Context, job, client string) (*export.Spec, error) {
	if s, ok := rs.specs.get(job); ok && s.Client == client {
		return s, nil
	}
	s, err := export.ReadSpec(ctx, rs.store, job)
	switch {
	case err != nil:
		return nil, err
	case s.Client != client:
		return nil, storage.ErrNotExist
	}
	rs.specs.put(job, s, int64(1024+32*len(s.Types)))
	return s, nil
}

// manifest returns the last record of an export; storage.ErrNotExist: it has not ended.
func (rs *records) manifest(ctx context.Context, job string) (*export.Manifest, error) {
	if m, ok := rs.manifests.get(job); ok {
		return m, nil
	}
	m, err := export.ReadManifest(ctx, rs.store, job)
	if err != nil {
		return nil, err
	}
	rs.manifests.put(job, m, int64(1024+256*(len(m.Output)+len(m.Errors))))
	return m, nil
}

// file returns the extent table of one file.
func (rs *records) file(ctx context.Context, key string) (*export.File, error) {
	if f, ok := rs.files.get(key); ok {
		return f, nil
	}
	f, err := export.ReadFile(ctx, rs.store, key)
	if err != nil {
		return nil, err
	}
	rs.files.put(key, f, int64(1024+256*len(f.Extents)))
	return f, nil
}

// view is an export as its owner may see it.
type view struct {
	spec     *export.Spec
	manifest *export.Manifest // nil: it has not ended
}

// open returns an export for its owner. Unknown, deleted, expired and foreign ids give the same 404; storage being away is a 503.
// A token that covers less than the export holds is refused (ACC-10), and so is a client that may no longer have the Group (ACC-11);
// needs lists the types that this request is about, nil means all of the export.
func (g *Gateway) open(r *http.Request, p *auth.Principal, job string, needs func(view) []string) (view, error) {
	var v view
	var err error
	if !validJob(job) {
		return v, notFound()
	}
	ctx := r.Context()
	v.spec, err = g.records.spec(ctx, job, p.ClientID)
	if errors.Is(err, storage.ErrNotExist) {
		g.denied(r, "owner", job, "no such export, or another client's")
		return v, notFound()
	}
	if err != nil {
		return v, unavailable(err)
	}
	if gone, err := export.Tombstoned(ctx, g.o.Store, job); err != nil {
		return v, unavailable(err)
	} else if gone {
		return v, notFound()
	}
	if v.manifest, err = g.ended(ctx, job); err != nil {
		return v, err
	}
	if group := v.spec.Request.GroupID; group != "" && !p.MayExportGroup(group) || group == "" && len(p.Groups) > 0 {
		g.denied(r, "group", job, "export of a Group that the client is no longer allowed")
		return v, fail(http.StatusForbidden, "forbidden", "this client may no longer have this export")
	}
	for _, typ := range needs(v) {
		if !p.MayExport(typ) {
			g.denied(r, "scope", job, "token does not cover the types of the export")
			return v, auth.InsufficientScope("type of the export outside the scopes")
		}
	}
	return v, nil
}

// ended returns the manifest, nil while there is none, and 404 after its time.
func (g *Gateway) ended(ctx context.Context, job string) (*export.Manifest, error) {
	m, err := g.records.manifest(ctx, job)
	switch {
	case errors.Is(err, storage.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, unavailable(err)
	case time.Now().After(g.expires(m)):
		return nil, notFound() // STAT-08
	}
	return m, nil
}

func (g *Gateway) expires(m *export.Manifest) time.Time {
	if m.Expires.IsZero() {
		return m.Finished.Add(g.o.Retention)
	}
	return m.Expires
}

// allTypes are the types of an export and of everything that came out of it.
func allTypes(v view) []string {
	types := slices.Clone(v.spec.Types)
	if v.manifest != nil {
		for _, f := range v.manifest.Output {
			types = append(types, f.Type)
		}
	}
	return types
}

// validJob tells ids that jobs.NewID may have made.
func validJob(id string) bool {
	if len(id) != 32 {
		return false
	}
	for i := range len(id) {
		if c := id[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// disclosed begins the audit event of something given to the owner of an export.
func disclosed(r *http.Request, p *auth.Principal, typ, job, detail string) audit.Event {
	e := event(r, typ, audit.OK, job, detail)
	e.Fields = map[string]any{"token": p.JTI}
	return e
}
