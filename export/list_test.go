package export_test

import (
	"bytes"
	stdgzip "compress/gzip"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sluice/export"
	"sluice/storage"
	"sluice/storage/memstore"
)

func readList(t *testing.T, s storage.Store, key string) ([]string, error) {
	t.Helper()
	var lines []string
	err := export.ReadList(t.Context(), s, key, func(line []byte) error {
		lines = append(lines, string(line))
		return nil
	})
	return lines, err
}

func TestListComesBackAsWritten(t *testing.T) {
	var ids []string
	for i := range 30_000 {
		ids = append(ids, fmt.Sprintf("patient-%d", i*7919))
	}
	long := string(bytes.Repeat([]byte("x"), 300_000)) // longer than any buffer
	for name, want := range map[string][]string{
		"empty": nil, "one": {"a"}, "empty lines": {"", "", "a", ""}, "many": ids, "long": {"a", long, "b", long, long},
	} {
		t.Run(name, func(t *testing.T) {
			s, key := memstore.New(), export.PlanPartKey("j1", "att", 0)
			w, err := export.NewListWriter(t.Context(), s, key)
			if err != nil {
				t.Fatal(err)
			}
			defer w.Abort()
			for _, line := range want {
				if err := w.Line([]byte(line)); err != nil {
					t.Fatal(err)
				}
			}
			if w.Lines() != len(want) {
				t.Errorf("Lines: %d, want %d", w.Lines(), len(want))
			}
			part, err := w.Commit()
			if err != nil {
				t.Fatalf("Commit: %v", err)
			}
			if d := cmp.Diff(export.PlanPart{Key: key, Lines: len(want)}, part); d != "" {
				t.Errorf("part (-want +got):\n%s", d)
			}
			got, err := readList(t, s, key)
			if err != nil {
				t.Fatalf("ReadList: %v", err)
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("lines (-want +got):\n%s", d)
			}
		})
	}
}

func TestAbortedListIsNotThere(t *testing.T) {
	s := memstore.New()
	w, err := export.NewListWriter(t.Context(), s, "a/b")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Line([]byte("a")), w.Abort()); err != nil {
		t.Fatal(err)
	}
	if _, err := readList(t, s, "a/b"); !errors.Is(err, storage.ErrNotExist) {
		t.Errorf("error %v, want ErrNotExist", err)
	}
}

func TestReadListEndsWithTheCallersError(t *testing.T) {
	s := memstore.New()
	f := putFile(t, s, []byte("a\nb\nc\n"))
	errStop := errors.New("enough")
	n := 0
	err := export.ReadList(t.Context(), s, f.Extents[0].Key, func([]byte) error {
		if n++; n == 2 {
			return errStop
		}
		return nil
	})
	if err != errStop || n != 2 {
		t.Errorf("error %v after %d lines, want %v after 2", err, n, errStop)
	}
}

func TestReadListOfDamagedObjects(t *testing.T) {
	body, _ := writePart(t, observations(500))
	for name, tc := range map[string]struct {
		body []byte
		want error // nil: any
	}{
		"empty":      {nil, io.ErrUnexpectedEOF},
		"half":       {body[:len(body)/2], io.ErrUnexpectedEOF},
		"no tail":    {body[:len(body)-1], io.ErrUnexpectedEOF},
		"other byte": {append(append(bytes.Clone(body[:1000]), body[1000]^1), body[1001:]...), nil},
		"more":       {append(bytes.Clone(body), "more than a gzip"...), nil},
		"no gzip":    {[]byte("{}\n{}\n{}\n{}\n"), nil},
		"half line":  {halfLine(t), export.ErrCorrupt},
	} {
		t.Run(name, func(t *testing.T) {
			s := memstoreWith(t, "a/b", tc.body)
			if _, err := readList(t, s, "a/b"); err == nil || tc.want != nil && !errors.Is(err, tc.want) {
				t.Errorf("error %v, want %v", err, tc.want)
			}
			if lines, err := readList(t, memstoreWith(t, "a/b", body), "a/b"); len(lines) != 500 || err != nil {
				t.Errorf("the next list: %d lines, %v; want 500", len(lines), err)
			}
		})
	}
}

func memstoreWith(t *testing.T, key string, body []byte) *memstore.Store {
	t.Helper()
	s := memstore.New()
	if err := storage.Put(t.Context(), s, key, body, storage.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	return s
}

// halfLine is a gzip that no ListWriter writes: its last line has no end.
func halfLine(t *testing.T) []byte {
	t.Helper()
	var buf bytes.Buffer
	z := stdgzip.NewWriter(&buf)
	io.WriteString(z, "a\nb")
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}
