package export_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/bulkdata"
	"sluice/export"
	"sluice/fhir"
	"sluice/storage"
	"sluice/storage/memstore"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// records holds one of each: where it lies and how it is read.
func records() []struct {
	name, key string
	record    any
	read      func(ctx context.Context, s storage.Store) (any, error)
} {
	_, stat := partOf("{}\n")
	part := export.Part{Key: export.PartKey("j1", "Patient", export.PlanChunk(7), 2, "att", 0), Type: "Patient", PartStat: stat}
	fileKey := export.FileKey("j1", "att", "Patient.0001.ndjson")
	return []struct {
		name, key string
		record    any
		read      func(ctx context.Context, s storage.Store) (any, error)
	}{
		{"spec", export.SpecKey("j1"), &export.Spec{Format: 1, Job: "j1", Client: "c", Scopes: "system/*.rs", Created: noon,
			Request: bulkdata.Request{Level: "group", GroupID: "g", URL: "https://gw.example/fhir/Group/g/$export?_type=Patient&_since=x"}, Types: []string{"Patient"}},
			func(ctx context.Context, s storage.Store) (any, error) { return export.ReadSpec(ctx, s, "j1") }},
		{"plan", export.PlanKey("j1", 0), &export.Plan{Format: 1, Attempt: "att", Chunks: 3, TransactionTime: noon, Patients: 250, ChunkSize: 100,
			Parts: []export.PlanPart{{Key: export.PlanPartKey("j1", "att", 0), Lines: 250}}},
			func(ctx context.Context, s storage.Store) (any, error) { return export.ReadPlan(ctx, s, "j1", 0) }},
		{"plan of a wave", export.PlanKey("j1", 2), &export.Plan{Format: 1, Attempt: "att", Wave: 2, Base: 3, ChunkSize: 100},
			func(ctx context.Context, s storage.Store) (any, error) { return export.ReadPlan(ctx, s, "j1", 2) }},
		{"commit", export.CommitKey("j1", export.PlanChunk(7), 2), &export.Commit{Format: 1, Attempt: "att", Chunk: export.PlanChunk(7), Seq: 2, Written: noon, Parts: []export.Part{part},
			Continue: &export.Position{Type: 1, Item: 40, Next: "?page=2"}, ChainIDs: []byte{0, 1, 2, 255}},
			func(ctx context.Context, s storage.Store) (any, error) {
				return export.ReadCommit(ctx, s, export.CommitKey("j1", export.PlanChunk(7), 2))
			}},
		{"manifest", export.ManifestKey("j1"), &export.Manifest{Format: 1, Job: "j1", State: "complete", Finished: noon, Expires: noon,
			Output:  []export.FileInfo{{Name: "Patient.0001.ndjson", Type: "Patient", Lines: 1, Raw: 3, Key: fileKey}},
			Errors:  []export.FileInfo{},
			Outcome: fhir.NewOutcome("error", "exception", "why")},
			func(ctx context.Context, s storage.Store) (any, error) { return export.ReadManifest(ctx, s, "j1") }},
		{"file", fileKey, &export.File{Format: 1, Name: "Patient.0001.ndjson", Type: "Patient", Extents: []export.Extent{{Key: part.Key, PartStat: stat}}},
			func(ctx context.Context, s storage.Store) (any, error) { return export.ReadFile(ctx, s, fileKey) }},
	}
}

func TestRecordsComeBackAsWritten(t *testing.T) {
	for _, tc := range records() {
		t.Run(tc.name, func(t *testing.T) {
			s := memstore.New()
			if _, err := tc.read(t.Context(), s); !errors.Is(err, storage.ErrNotExist) {
				t.Errorf("before: error %v, want ErrNotExist", err)
			}
			if err := export.WriteOnce(t.Context(), s, tc.key, tc.record); err != nil {
				t.Fatalf("WriteOnce: %v", err)
			}
			got, err := tc.read(t.Context(), s)
			if err != nil {
				t.Fatalf("read: %v", err)
			}
			if d := cmp.Diff(tc.record, got); d != "" {
				t.Errorf("record (-want +got):\n%s", d)
			}
		})
	}
}

func TestDamagedAndForeignRecords(t *testing.T) {
	for _, tc := range records() {
		for name, broken := range map[string]struct {
			body string
			want error
		}{
			"newer format":              {`{"format":9}`, export.ErrFormat},
			"newer format, other types": {`{"format":9,"attempt":{"id":1},"job":[],"name":{}}`, export.ErrFormat},
			"no format":                 {`{}`, export.ErrFormat},
			"cut":                       {`{"format":1,"job":"j1`, export.ErrCorrupt},
			"empty":                     {``, export.ErrCorrupt},
			"no JSON":                   {`<html>secret</html>`, export.ErrCorrupt},
			"other types":               {`{"format":1,"job":"j1","attempt":{},"name":{},"client":{}}`, export.ErrCorrupt},
			"another's":                 {`{"format":1,"job":"j2","wave":9,"chunk":7,"seq":3,"extents":[{"key":"k","raw":-1}]}`, export.ErrCorrupt},
		} {
			t.Run(tc.name+", "+name, func(t *testing.T) {
				s := memstore.New()
				if err := storage.Put(t.Context(), s, tc.key, []byte(broken.body), storage.CreateOptions{}); err != nil {
					t.Fatal(err)
				}
				got, err := tc.read(t.Context(), s)
				if !errors.Is(err, broken.want) {
					t.Errorf("error %v (record %v), want %v", err, got, broken.want)
				}
				if err != nil && strings.Contains(err.Error(), "secret") {
					t.Errorf("the error shows what it read: %v", err)
				}
			})
		}
	}
}

func TestRecordsHaveALimit(t *testing.T) {
	s := memstore.New()
	body := fmt.Appendf(nil, `{"format":1,"job":"j1","client":"%s"}`, strings.Repeat("x", 17<<20))
	if err := storage.Put(t.Context(), s, export.SpecKey("j1"), body, storage.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := export.ReadSpec(t.Context(), s, "j1"); !errors.Is(err, storage.ErrTooLarge) {
		t.Errorf("error %v, want ErrTooLarge", err)
	}
}

func TestTombstoned(t *testing.T) {
	s := memstore.New()
	check := func(want bool, wantErr error) {
		t.Helper()
		if got, err := export.Tombstoned(t.Context(), s, "j1"); got != want || !errors.Is(err, wantErr) {
			t.Errorf("%t, %v; want %t, %v", got, err, want, wantErr)
		}
	}
	check(false, nil)
	if err := export.WriteOnce(t.Context(), s, export.TombstoneKey("j1"), map[string]any{"format": 1}); err != nil {
		t.Fatal(err)
	}
	check(true, nil)
	errAway := errors.New("away")
	s.Hook = func(string, string) error { return errAway }
	check(false, errAway)
}

func partOf(raw string) ([]byte, export.PartStat) {
	var buf strings.Builder
	p := export.NewPartWriter(&buf)
	p.Write([]byte(raw))
	stat, err := p.Close()
	if err != nil {
		panic(err)
	}
	return []byte(buf.String()), stat
}
