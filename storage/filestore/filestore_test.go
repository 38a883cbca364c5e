package filestore_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/storage"
	"sluice/storage/filestore"
	"sluice/storage/storagetest"
)

func open(t testing.TB, dir string) *filestore.Store {
	t.Helper()
	s, err := filestore.New(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func temps(t testing.TB, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(dir, ".tmp"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestStore(t *testing.T) {
	storagetest.Run(t, func(t *testing.T) storage.Store {
		dir := filepath.Join(t.TempDir(), "new", "store")
		t.Cleanup(func() {
			if got := temps(t, dir); len(got) > 0 {
				t.Errorf("temp files are left: %q", got)
			}
		})
		return open(t, dir)
	})
}

func TestObjectsSurviveReopening(t *testing.T) {
	dir := t.TempDir()
	if err := storage.Put(t.Context(), open(t, dir), "a/b", []byte("body"), storage.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	got, err := storage.ReadAll(t.Context(), open(t, dir), "a/b", 10)
	if string(got) != "body" || err != nil {
		t.Errorf("%q, %v; want body", got, err)
	}
}

func TestModes(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // has no such modes
	}
	dir := filepath.Join(t.TempDir(), "store")
	s := open(t, dir)
	for key, o := range map[string]storage.CreateOptions{"a/plain": {}, "a/once": {IfAbsent: true}} {
		if err := storage.Put(t.Context(), s, key, nil, o); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Lock(); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		want := fs.FileMode(0o600)
		if d.IsDir() {
			want = 0o700
		}
		if got := fi.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o, want %o", path, got, want)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestTempFilesOfTheDeadAreRemoved(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	for range 2 { // never finished
		w, err := s.Create(t.Context(), "a/b", storage.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer w.Abort()
	}
	names := temps(t, dir)
	if len(names) != 2 {
		t.Fatalf("temp files %q, want two", names)
	}
	old := time.Now().Add(-61 * time.Minute)
	if err := os.Chtimes(filepath.Join(dir, ".tmp", names[0]), old, old); err != nil {
		t.Fatal(err)
	}
	open(t, dir)
	if d := cmp.Diff(names[1:], temps(t, dir)); d != "" {
		t.Errorf("temp files (-want +got):\n%s", d)
	}
}

func TestEmptyDirectoriesGo(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	for _, key := range []string{"a/b/c/d", "a/e"} {
		if err := storage.Put(t.Context(), s, key, nil, storage.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	for key, want := range map[string][]string{"a/b/c/d": {".tmp", "a", "a/e"}} {
		if err := s.Delete(t.Context(), key); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, tree(t, dir)); d != "" {
			t.Errorf("after Delete(%s) (-want +got):\n%s", key, d)
		}
	}
	if err := s.Delete(t.Context(), "a/e"); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{".tmp"}, tree(t, dir)); d != "" {
		t.Errorf("after all (-want +got):\n%s", d)
	}
}

func tree(t *testing.T, dir string) []string {
	t.Helper()
	var paths []string
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if path != dir {
			rel, _ := filepath.Rel(dir, path)
			paths = append(paths, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

func TestForeignFilesAreNoObjects(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	if err := storage.Put(t.Context(), s, "a/b", nil, storage.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{".DS_Store", "Thumbs db", "a/has space", "empty/dir/"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if name[len(name)-1] != '/' {
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, "empty", "dir"), 0o700); err != nil {
		t.Fatal(err)
	}
	var got []string
	for i, err := range s.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, i.Key)
	}
	for name, err := range s.Dirs(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, name+"/")
	}
	if d := cmp.Diff([]string{"a/b", "a/"}, got); d != "" {
		t.Errorf("objects and directories (-want +got):\n%s", d)
	}
	for _, key := range []string{".tmp/x", ".lock", ".tmp"} {
		if err := storage.Put(t.Context(), s, key, nil, storage.CreateOptions{}); !errors.Is(err, storage.ErrInvalidKey) {
			t.Errorf("Put(%s): error %v, want ErrInvalidKey", key, err)
		}
	}
}

// A directory can vanish under a store that knows it: another process emptied it.
func TestDirectoryRemovedByOthers(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	for i := range 3 {
		key := fmt.Sprintf("a/b/%d", i)
		if err := storage.PutIfAbsent(t.Context(), s, key, []byte("x"), ""); err != nil {
			t.Fatalf("Put(%s): %v", key, err)
		}
		if err := os.RemoveAll(filepath.Join(dir, "a")); err != nil {
			t.Fatal(err)
		}
	}
}

func TestKeyBelowAnObject(t *testing.T) {
	s := open(t, t.TempDir())
	if err := storage.Put(t.Context(), s, "a", []byte("x"), storage.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := storage.Put(t.Context(), s, "a/b", nil, storage.CreateOptions{}); err == nil {
		t.Error("Put(a/b) below object a: no error")
	}
	if err := s.Delete(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if err := storage.Put(t.Context(), s, "a/b", nil, storage.CreateOptions{}); err != nil {
		t.Errorf("Put(a/b) after Delete(a): %v", err)
	}
}

func BenchmarkPut(b *testing.B) {
	s := open(b, b.TempDir())
	body := bytes.Repeat([]byte("x"), 1<<20)
	b.SetBytes(int64(len(body)))
	for i := 0; b.Loop(); i++ {
		if err := storage.PutIfAbsent(b.Context(), s, fmt.Sprintf("a/%d", i), body, ""); err != nil {
			b.Fatal(err)
		}
	}
}
