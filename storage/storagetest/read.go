package storagetest

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"sluice/storage"
)

func testOpenReader(t *testing.T, s storage.Store) {
	put(t, s, "a", "first")
	r, err := s.Open(t.Context(), "a", 0, -1)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	defer r.Close()
	head := make([]byte, 2)
	if _, err := io.ReadFull(r, head); err != nil {
		t.Fatalf("Read: %v", err)
	}
	put(t, s, "b", "other")
	rest, err := io.ReadAll(r)
	if got := string(head) + string(rest); got != "first" || err != nil {
		t.Errorf("read %q, %v; want first", got, err)
	}
}

func testRanges(t *testing.T, s storage.Store) {
	const body = "0123456789"
	put(t, s, "a/b", body)
	for _, tc := range []struct {
		offset, length int64
		want           string
		err            error
	}{
		{0, -1, body, nil},
		{0, 10, body, nil},
		{0, 3, "012", nil},
		{3, 4, "3456", nil},
		{9, 1, "9", nil},
		{3, -1, "3456789", nil},
		{0, 0, "", nil},
		{5, 0, "", nil},
		{10, 0, "", nil},
		{10, -1, "", nil},
		{0, 11, body, io.ErrUnexpectedEOF},
		{8, 3, "89", io.ErrUnexpectedEOF},
		{10, 1, "", io.ErrUnexpectedEOF},
		{11, -1, "", io.ErrUnexpectedEOF},
		{11, 1, "", io.ErrUnexpectedEOF},
		{1 << 40, 1 << 40, "", io.ErrUnexpectedEOF},
	} {
		t.Run(fmt.Sprintf("%d+%d", tc.offset, tc.length), func(t *testing.T) {
			got, err := readRange(t.Context(), s, "a/b", tc.offset, tc.length)
			if !errors.Is(err, tc.err) {
				t.Fatalf("error %v, want %v", err, tc.err)
			}
			// A backend may find out when it opens, and then gives nothing.
			if string(got) != tc.want && (tc.err == nil || len(got) > 0) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
	for _, offset := range []int64{-1, -10} {
		if _, err := readRange(t.Context(), s, "a/b", offset, -1); err == nil {
			t.Errorf("offset %d: no error", offset)
		}
	}
	put(t, s, "empty", "")
	if got, err := readRange(t.Context(), s, "empty", 0, -1); len(got) > 0 || err != nil {
		t.Errorf("empty object: %q, %v", got, err)
	}
	if _, err := readRange(t.Context(), s, "empty", 0, 1); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("one byte of an empty object: error %v, want ErrUnexpectedEOF", err)
	}
}

// tree is in key order. A walk of directories would give another one: "-" and "." come before "/", "0" after.
var tree = []string{
	"Upper",
	"a-b",
	"a.b",
	"a.b2/x",
	"a/b",
	"a/b-c/d",
	"a/b.c",
	"a/b1",
	"a/c/d/e",
	"a/c/d0",
	"a0",
	"a_/b",
	"b/1",
	"b/10",
	"b/2",
}

func testList(t *testing.T, s storage.Store) {
	if got := list(t, s, ""); len(got) > 0 {
		t.Errorf("an empty store lists %q", got)
	}
	for _, key := range slices.Backward(tree) {
		put(t, s, key, key)
	}
	for _, prefix := range []string{"", "a", "a/", "a/b", "a/b-", "a/b.c", "a/c/", "a/c/d", "a/c/d/", "a.b", "b/1", "b/10", "b/100", "c", "c/d", "a/x/y/z", "Upper"} {
		var want []string
		for _, key := range tree {
			if strings.HasPrefix(key, prefix) {
				want = append(want, key)
			}
		}
		diff(t, fmt.Sprintf("List(%q)", prefix), list(t, s, prefix), want)
	}
	for info, err := range s.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		stat, err := s.Stat(t.Context(), info.Key)
		if err != nil || info.Size != int64(len(info.Key)) || info.Size != stat.Size || !info.ModTime.Equal(stat.ModTime) {
			t.Errorf("List gives %+v, Stat %+v, %v", info, stat, err)
		}
	}
	n := 0
	for range s.List(t.Context(), "") {
		if n++; n == 3 {
			break
		}
	}
	for _, prefix := range []string{"/", "../", "a//", "a/../", "a b", "./", "a/\x00"} {
		failed := false
		for info, err := range s.List(t.Context(), prefix) {
			if err == nil {
				t.Errorf("List(%q) gives %s", prefix, info.Key)
			}
			failed = errors.Is(err, storage.ErrInvalidKey)
		}
		if !failed {
			t.Errorf("List(%q): want ErrInvalidKey", prefix)
		}
	}
}

func testDirs(t *testing.T, s storage.Store) {
	for _, key := range tree {
		put(t, s, key, key)
	}
	for prefix, want := range map[string][]string{
		"":       {"a.b2", "a", "a_", "b"},
		"a/":     {"b-c", "c"},
		"a/c/":   {"d"},
		"a/c/d/": nil,
		"b/":     nil,
		"x/":     nil,
	} {
		diff(t, fmt.Sprintf("Dirs(%q)", prefix), dirs(t, s, prefix), want)
	}
	for range s.Dirs(t.Context(), "") {
		break
	}
	for _, prefix := range []string{"a", "/", "../", "a//"} {
		failed := false
		for name, err := range s.Dirs(t.Context(), prefix) {
			if err == nil {
				t.Errorf("Dirs(%q) gives %s", prefix, name)
			}
			failed = errors.Is(err, storage.ErrInvalidKey)
		}
		if !failed {
			t.Errorf("Dirs(%q): want ErrInvalidKey", prefix)
		}
	}
	for _, key := range []string{"a/c/d/e", "a/c/d0"} {
		if err := s.Delete(t.Context(), key); err != nil {
			t.Fatalf("Delete(%s): %v", key, err)
		}
	}
	diff(t, "Dirs without a/c/", dirs(t, s, "a/"), []string{"b-c"})
}

func testDeleteWhileListing(t *testing.T, s storage.Store) {
	const jobs, objects = 5, 40
	for i := range jobs {
		for j := range objects {
			put(t, s, fmt.Sprintf("jobs/%d/%d/%02d", i, j%3, j), "x")
		}
	}
	n := 0
	for name, err := range s.Dirs(t.Context(), "jobs/") {
		if err != nil {
			t.Fatalf("Dirs: %v", err)
		}
		for info, err := range s.List(t.Context(), "jobs/"+name+"/") {
			if err != nil {
				t.Fatalf("List: %v", err)
			}
			if err := s.Delete(t.Context(), info.Key); err != nil {
				t.Fatalf("Delete: %v", err)
			}
			n++
		}
	}
	if n != jobs*objects {
		t.Errorf("%d objects given, want %d", n, jobs*objects)
	}
	if got := list(t, s, ""); len(got) > 0 {
		t.Errorf("left: %q", got)
	}
}

func testAbsent(t *testing.T, s storage.Store) {
	put(t, s, "a/b/c", "x")
	for _, key := range []string{"x", "x/y/z", "a", "a/b", "a/b/c/d", "a/b/d", "a/b/cc"} {
		wantAbsentObject(t, s, key)
		if err := s.Delete(t.Context(), key); err != nil {
			t.Errorf("Delete(%s): %v", key, err)
		}
	}
	want(t, s, "a/b/c", "x")
}

func wantAbsentObject(t *testing.T, s storage.Store, key string) {
	t.Helper()
	if _, err := s.Stat(t.Context(), key); !errors.Is(err, storage.ErrNotExist) {
		t.Errorf("Stat(%s): error %v, want ErrNotExist", key, err)
	}
	for _, length := range []int64{-1, 0, 1} {
		if _, err := readRange(t.Context(), s, key, 0, length); !errors.Is(err, storage.ErrNotExist) {
			t.Errorf("Open(%s, 0, %d): error %v, want ErrNotExist", key, length, err)
		}
	}
	if _, err := storage.ReadAll(t.Context(), s, key, 10); !errors.Is(err, storage.ErrNotExist) {
		t.Errorf("ReadAll(%s): error %v, want ErrNotExist", key, err)
	}
}

func testReadAll(t *testing.T, s storage.Store) {
	put(t, s, "a", "12345")
	for limit, wantErr := range map[int64]error{4: storage.ErrTooLarge, 0: storage.ErrTooLarge, 5: nil, 6: nil} {
		got, err := storage.ReadAll(t.Context(), s, "a", limit)
		if !errors.Is(err, wantErr) || err == nil && string(got) != "12345" {
			t.Errorf("ReadAll with limit %d: %q, %v; want error %v", limit, got, err, wantErr)
		}
	}
}
