package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// rounds is how often each file is put together from pieces.
const rounds = 3

// transfer is one file in one coding, as its bytes go over the wire.
type transfer struct {
	client
	http   *http.Client
	file   file
	coding string
	etag   string
	whole  []byte // what one GET without a break gave
}

// breakAll breaks and resumes each file in both codings, and holds HEAD against GET.
func (c client) breakAll(files []file, seed uint64, cuts int, out io.Writer) error {
	random := rand.New(rand.NewPCG(seed, seed))
	plain := &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 4}}
	resumed, ranges, bytesSent := 0, 0, int64(0)
	for _, f := range files {
		other := ""
		for _, coding := range []string{gzipCoding, identity} {
			t := &transfer{client: c, http: plain, file: f, coding: coding}
			if err := t.check(random, cuts, other); err != nil {
				return fmt.Errorf("%s as %s, seed %d: %w", f.name(), coding, seed, err)
			}
			other = t.etag
			resumed += rounds
			ranges += cuts
			bytesSent += int64(len(t.whole))
		}
	}
	fmt.Fprintf(out, "%d files in 2 codings (%d bytes): HEAD as GET, %d downloads put together from pieces (%d cuts in each), %d single ranges: no difference\n",
		len(files), bytesSent, resumed, cuts, ranges)
	return nil
}

// check does all with one file in one coding. other is the tag of the other coding, "" for none yet.
func (t *transfer) check(random *rand.Rand, cuts int, other string) error {
	if err := t.getWhole(); err != nil {
		return fmt.Errorf("whole: %w", err)
	}
	if err := t.head(); err != nil {
		return fmt.Errorf("HEAD: %w", err)
	}
	if t.etag == other {
		return fmt.Errorf("both codings have the tag %s", other)
	}
	if other != "" {
		if err := t.foreignTag(other); err != nil {
			return fmt.Errorf("If-Range with the tag of the other coding: %w", err)
		}
	}
	size := len(t.whole)
	for n := range rounds {
		at := make([]int, cuts)
		for i := range at {
			at[i] = random.IntN(size)
		}
		if n == 0 { // the first and last bytes, and gzip's header and trailer
			at = []int{1, min(10, size-1), max(1, size-8), size - 1}
		}
		slices.Sort(at)
		if err := t.resume(slices.Compact(at)); err != nil {
			return fmt.Errorf("cuts at %v: %w", at, err)
		}
	}
	for range cuts {
		from := random.IntN(size)
		to := from + random.IntN(size-from)
		if err := t.single(from, to); err != nil {
			return fmt.Errorf("range %d-%d: %w", from, to, err)
		}
	}
	return nil
}

func (t *transfer) do(method string, header map[string]string) (*http.Response, error) {
	header["Accept-Encoding"] = t.coding
	r, err := t.request(method, t.file.URL, header)
	if err != nil {
		return nil, err
	}
	res, err := t.http.Do(r)
	if err != nil {
		return nil, err
	}
	encoding := res.Header.Get("Content-Encoding")
	if gz := encoding == gzipCoding; res.StatusCode < 300 && (gz != (t.coding == gzipCoding) || !gz && encoding != "") {
		res.Body.Close()
		return nil, fmt.Errorf("Content-Encoding %q", encoding)
	}
	return res, nil
}

func (t *transfer) getWhole() error {
	res, err := t.do(http.MethodGet, map[string]string{})
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if t.whole, err = io.ReadAll(res.Body); err != nil {
		return err
	}
	t.etag = res.Header.Get("ETag")
	switch {
	case res.StatusCode != http.StatusOK || len(t.etag) < 4 || t.etag[0] != '"':
		return fmt.Errorf("answer %s, ETag %s", res.Status, t.etag)
	case res.ContentLength != int64(len(t.whole)) || len(t.whole) < 2:
		return fmt.Errorf("Content-Length %d, %d bytes came", res.ContentLength, len(t.whole))
	case res.Header.Get("Accept-Ranges") != "bytes":
		return fmt.Errorf("Accept-Ranges %q", res.Header.Get("Accept-Ranges"))
	}
	return nil
}

// head wants of HEAD what GET said.
func (t *transfer) head() error {
	res, err := t.do(http.MethodHead, map[string]string{})
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK || res.ContentLength != int64(len(t.whole)) || res.Header.Get("ETag") != t.etag {
		return fmt.Errorf("answer %s, Content-Length %d, ETag %s; GET gave %d bytes, ETag %s",
			res.Status, res.ContentLength, res.Header.Get("ETag"), len(t.whole), t.etag)
	}
	return nil
}

// foreignTag asks for a piece on the strength of the other coding's tag: the pieces would not fit, so the whole must come.
func (t *transfer) foreignTag(other string) error {
	res, err := t.do(http.MethodGet, map[string]string{"Range": "bytes=1-", "If-Range": other})
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK || !bytes.Equal(body, t.whole) {
		return fmt.Errorf("answer %s with %d bytes, want the whole", res.Status, len(body))
	}
	return nil
}

// resume downloads the file in pieces: each connection is closed in the middle of the answer, and the next request goes on there.
func (t *transfer) resume(cuts []int) error {
	got := make([]byte, 0, len(t.whole))
	for _, end := range append(cuts, len(t.whole)) {
		if end <= len(got) {
			continue
		}
		var err error
		if got, err = t.goOn(got, end); err != nil {
			return fmt.Errorf("from byte %d: %w", len(got), err)
		}
	}
	if sha256.Sum256(got) != sha256.Sum256(t.whole) {
		return fmt.Errorf("SHA-256 differs")
	}
	return nil
}

// goOn appends to got what one answer gives, up to end bytes in all, and breaks off there.
func (t *transfer) goOn(got []byte, end int) ([]byte, error) {
	header, status := map[string]string{}, http.StatusOK
	if len(got) > 0 {
		header["Range"], header["If-Range"], status = "bytes="+strconv.Itoa(len(got))+"-", t.etag, http.StatusPartialContent
	}
	res, err := t.do(http.MethodGet, header)
	if err != nil {
		return got, err
	}
	defer res.Body.Close() // in the middle: closes the connection
	left := len(t.whole) - len(got)
	switch want := fmt.Sprintf("bytes %d-%d/%d", len(got), len(t.whole)-1, len(t.whole)); {
	case res.StatusCode != status || res.Header.Get("ETag") != t.etag:
		return got, fmt.Errorf("answer %s, ETag %s", res.Status, res.Header.Get("ETag"))
	case status == http.StatusPartialContent && res.Header.Get("Content-Range") != want:
		return got, fmt.Errorf("Content-Range %q, want %q", res.Header.Get("Content-Range"), want)
	case res.ContentLength != int64(left):
		return got, fmt.Errorf("Content-Length %d, want %d", res.ContentLength, left)
	}
	piece := make([]byte, end-len(got))
	if _, err := io.ReadFull(res.Body, piece); err != nil {
		return got, err
	}
	if end == len(t.whole) { // the answer must end here
		if n, err := res.Body.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			return got, fmt.Errorf("more than Content-Length came: %d, %v", n, err)
		}
	}
	return append(got, piece...), nil
}

// single asks for one piece out of the middle.
func (t *transfer) single(from, to int) error {
	res, err := t.do(http.MethodGet, map[string]string{"Range": fmt.Sprintf("bytes=%d-%d", from, to)})
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusPartialContent || !bytes.Equal(body, t.whole[from:to+1]) {
		return fmt.Errorf("answer %s with %d bytes, or other ones", res.Status, len(body))
	}
	return nil
}
