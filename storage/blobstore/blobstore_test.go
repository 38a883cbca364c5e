package blobstore_test

import (
	"bytes"
	"crypto/rand"
	"os"
	"strings"
	"testing"

	"sluice/storage"
	"sluice/storage/blobstore"
	"sluice/storage/storagetest"
)

// places are the stores that scripts/test-blob.sh has started: SLUICE_TEST_BLOB holds their locations, with spaces between them.
func places() []string { return strings.Fields(os.Getenv("SLUICE_TEST_BLOB")) }

// open returns an empty store below a location.
func open(t *testing.T, place string) *blobstore.Store {
	t.Helper()
	base, query, _ := strings.Cut(place, "?")
	at, err := blobstore.Parse(base + "/" + strings.ToLower(rand.Text()) + "?" + query)
	if err != nil {
		t.Fatal(err)
	}
	s, err := blobstore.Open(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// Every cloud's double holds the contract of the folder.
func TestStore(t *testing.T) {
	for _, place := range places() {
		t.Run(place[:strings.Index(place, ":")], func(t *testing.T) {
			storagetest.Run(t, func(t *testing.T) storage.Store { return open(t, place) })
		})
	}
}

// A body that does not fit into memory is whole, and leaves no file, whether it is sent or dropped.
func TestLargeObject(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	body := make([]byte, 20<<20)
	for i := range body {
		body[i] = byte(i >> 10)
	}
	for _, place := range places() {
		s := open(t, place)
		dropped, err := s.Create(t.Context(), "a/dropped", storage.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := dropped.Write(body); err != nil {
			t.Fatal(err)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("%.8s… %d files in the temporary folder while writing, %v", place, len(left), err)
		}
		if err := dropped.Abort(); err != nil {
			t.Error(err)
		}
		if err := storage.PutIfAbsent(t.Context(), s, "a/sent", body, ""); err != nil {
			t.Fatal(err)
		}
		if got, err := storage.ReadAll(t.Context(), s, "a/sent", 1<<30); err != nil || !bytes.Equal(got, body) {
			t.Errorf("%.8s… %d bytes, %v", place, len(got), err)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("%.8s… %d files left, %v", place, len(left), err)
		}
	}
}

// What `sluice check` says of a bucket. The double of GCS lets everybody read, which must be found.
func TestCheck(t *testing.T) {
	for _, place := range places() {
		s := open(t, place)
		public := strings.HasPrefix(place, "gs:")
		looked := 0
		for _, f := range s.Check(t.Context()) {
			looked++
			if bad := f.Err != nil; bad != (public && f.What == "public access") {
				t.Errorf("%.8s… %s: %v", place, f.What, f.Err)
			}
		}
		if looked != 7 {
			t.Errorf("%.8s… %d findings, want 7", place, looked)
		}
		for info := range s.List(t.Context(), "") {
			t.Errorf("%.8s… the check left %s", place, info.Key)
		}
	}
}

// What is wrong in a location is said without showing it.
func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		"s3://bucket":                                   "",
		"s3://bucket/a/b?region=eu-central-1":           "",
		"gs://bucket/a?anonymous=true":                  "",
		"azblob://container?account=x":                  "",
		"s3://key:secret@bucket":                        "credentials do not belong into the URL",
		"s3://":                                         "expected s3://BUCKET/PREFIX",
		"ftp://bucket":                                  `scheme "ftp": expected s3, gs or azblob`,
		"s3://bucket/a b":                               "prefix: expected segments",
		"s3://bucket?sse=secret":                        `parameter "sse": expected AES256, aws:kms or aws:kms:dsse`,
		"s3://bucket?kms_key=secret":                    `parameter "kms_key" needs sse=aws:kms`,
		"s3://bucket?regoin=secret":                     `parameter "regoin": expected one of region`,
		"s3://bucket?region=a&region=secret":            `parameter "region" is given twice`,
		"s3://bucket?endpoint=secret":                   `parameter "endpoint": expected http://HOST:PORT`,
		"azblob://c?endpoint=https://u:secret@host/acc": `parameter "endpoint": expected http://HOST:PORT`,
		"gs://bucket?anonymous=secret":                  `parameter "anonymous": expected true or false`,
	} {
		_, err := blobstore.Parse(text)
		switch {
		case (err == nil) != (want == ""):
			t.Errorf("%s: %v, want %q", text, err, want)
		case err != nil && (!strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "secret")):
			t.Errorf("%s: %v, want %q and no secret", text, err, want)
		}
	}
}
