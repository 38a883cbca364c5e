package blobstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"gocloud.dev/gcerrors"

	"sluice/storage"
)

// Finding is one thing that Check looked at.
type Finding struct {
	What string // "write", "read", "look", "list", "delete", "public access", "clock"
	Err  error  // nil: as it should be
}

// rights are what each step needs, by scheme.
var rights = map[string]map[string]string{
	"s3":     {"write": "s3:PutObject", "read": "s3:GetObject", "look": "s3:GetObject", "list": "s3:ListBucket", "delete": "s3:DeleteObject"},
	"gs":     {"write": "storage.objects.create", "read": "storage.objects.get", "look": "storage.objects.get", "list": "storage.objects.list", "delete": "storage.objects.delete"},
	"azblob": {"write": "blobs/write", "read": "blobs/read", "look": "blobs/read", "list": "blobs/read", "delete": "blobs/delete"},
}

// skewed is how far the clock of the store may be from ours before files look older or younger than they are.
const skewed = 30 * time.Second

// Check does once everything that exports do with a bucket, names the right that is missing where something is refused, and looks
// whether a stranger can read. It leaves nothing behind.
func (s *Store) Check(ctx context.Context) []Finding {
	key := "system/check/" + rand.Text()
	var found []Finding
	step := func(what string, err error) bool {
		if right := rights[s.at.Scheme][what]; err != nil && right != "" && refusedRight(err) {
			err = fmt.Errorf("refused: the right %s is missing (%w)", right, err)
		}
		found = append(found, Finding{what, err})
		return err == nil
	}
	before := time.Now()
	if !step("write", storage.Put(ctx, s, key, []byte("check"), storage.CreateOptions{ContentType: "text/plain"})) {
		return found
	}
	after := time.Now()
	_, err := storage.ReadAll(ctx, s, key, 100)
	step("read", err)
	info, err := s.Stat(ctx, key)
	if step("look", err) {
		step("clock", checkClock(info.ModTime, before, after))
	}
	step("list", s.checkList(ctx, key))
	step("public access", s.checkPublic(ctx, key))
	step("delete", s.Delete(context.WithoutCancel(ctx), key))
	return found
}

func refusedRight(err error) bool {
	return errors.Is(err, errForbidden) || gcerrors.Code(err) == gcerrors.PermissionDenied
}

func checkClock(at, before, after time.Time) error {
	if at.Before(before.Add(-skewed)) || at.After(after.Add(skewed)) {
		return fmt.Errorf("the store's clock is %v away from this machine's", at.Sub(after).Round(time.Second))
	}
	return nil
}

func (s *Store) checkList(ctx context.Context, key string) error {
	for info, err := range s.List(ctx, key) {
		if err != nil {
			return err
		}
		if info.Key == key {
			return nil
		}
	}
	return errors.New("what was written is not listed: the store is not consistent")
}

// checkPublic asks for an object without credentials.
func (s *Store) checkPublic(ctx context.Context, key string) error {
	if s.address == nil {
		return nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.address(s.at.Prefix+key), nil)
	if err != nil {
		return err
	}
	res, err := (&http.Client{Timeout: 10 * time.Second}).Do(req)
	if err != nil {
		return nil // a stranger gets no answer at all
	}
	defer res.Body.Close()
	_, _ = io.CopyN(io.Discard, res.Body, 1<<10) // only the status counts
	if res.StatusCode < 300 {
		return errors.New("anybody can read the objects of this bucket: close it before patients' data are written")
	}
	return nil
}
