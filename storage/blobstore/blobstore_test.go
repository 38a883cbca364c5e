package blobstore_test

import (
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
