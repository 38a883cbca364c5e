package gateway

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"sluice/audit"
	"sluice/auth"
	"sluice/export"
	"sluice/fhir"
	"sluice/storage"
)

// stalled is how long a client may take for one piece of a download before the connection is given up.
const stalled = 2 * time.Minute

// transferBuffers hold one piece of a download each.
var transferBuffers = sync.Pool{New: func() any { return new([64 << 10]byte) }}

// file: Bulk Data Access, Bulk Data Output File Request: FILE-01 to FILE-14.
func (g *Gateway) file(c echo.Context, p *auth.Principal) error {
	r, job, name := c.Request(), c.Param("job"), c.Param("name")
	var info export.FileInfo
	v, err := g.open(r, p, job, func(v view) (needs []string) {
		var isOutput bool
		info, isOutput = findFile(v.manifest, name)
		if isOutput {
			needs = []string{info.Type} // files of errors hold no resources and need no scope
		}
		return needs
	})
	if err != nil {
		return err
	}
	if info.Key == "" {
		return notFound()
	}
	f, err := g.records.file(r.Context(), info.Key)
	if err != nil {
		return g.lost(r, job, err)
	}
	t := transfer{job: v.spec.Job, info: info, file: f}
	if err := t.negotiate(r); err != nil {
		return err
	}
	return g.send(c.Response().Writer, r, p, t)
}

// findFile looks a name up in what the manifest lists, which is all there is (FILE-15).
func findFile(m *export.Manifest, name string) (info export.FileInfo, isOutput bool) {
	if m == nil || m.State != "complete" {
		return info, false
	}
	for _, f := range m.Output {
		if f.Name == name {
			return f, true
		}
	}
	for _, f := range m.Errors {
		if f.Name == name {
			return f, false
		}
	}
	return info, false
}

// lost is a file that the manifest lists and storage does not give. One that is not there should have been removed meanwhile; if it was
// not, the operator has to know.
func (g *Gateway) lost(r *http.Request, job string, err error) error {
	if errors.Is(err, storage.ErrNotExist) {
		g.o.Log.WarnContext(r.Context(), "a listed file is not in storage", "job", job, "error", err)
		return notFound()
	}
	return unavailable(err)
}

// transfer is one answer to a file request.
type transfer struct {
	job  string
	info export.FileInfo
	file *export.File

	gzip    bool
	etag    string
	size    int64 // of the file in this coding
	piece   byteRange
	partial bool
	same    bool // the client has it already: 304
}

// negotiate chooses coding and range. The two codings are different bytes with different tags: a range of one says nothing of the other.
func (t *transfer) negotiate(r *http.Request) error {
	var ok bool
	if t.gzip, ok = acceptCoding(r.Header.Values("Accept-Encoding")); !ok {
		return fail(http.StatusNotAcceptable, "not-supported", "files come as gzip or identity").with("Vary", "Accept-Encoding")
	}
	t.etag, t.size = t.file.ETag(t.gzip), t.file.IdentitySize()
	if t.gzip {
		t.size = t.file.GzipSize()
	}
	switch precondition(r.Header, t.etag) {
	case http.StatusPreconditionFailed:
		return fail(http.StatusPreconditionFailed, "conflict", "the file in this coding has another entity tag").with("Vary", "Accept-Encoding")
	case http.StatusNotModified:
		t.same = true
		return nil
	}
	t.piece = byteRange{0, t.size}
	if r.Method == http.MethodGet && rangeHolds(r.Header, t.etag) {
		if t.piece, t.partial, ok = parseRange(r.Header.Get("Range"), t.size); !ok {
			return fail(http.StatusRequestedRangeNotSatisfiable, "invalid", "the range lies outside the file").
				with("Content-Range", fmt.Sprintf("bytes */%d", t.size)).with("Vary", "Accept-Encoding").with("Accept-Ranges", "bytes")
		}
	}
	return nil
}

// header sets the header fields and returns the status.
func (t *transfer) header(h http.Header) int {
	h.Set("Vary", "Accept-Encoding")
	h.Set("Accept-Ranges", "bytes")
	h.Set("ETag", t.etag)
	if t.same {
		return http.StatusNotModified
	}
	h.Set("Content-Type", fhir.MediaTypeNDJSON)
	h.Set("Content-Length", strconv.FormatInt(t.piece.length, 10))
	if t.gzip {
		h.Set("Content-Encoding", "gzip")
	}
	if t.partial {
		h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", t.piece.offset, t.piece.offset+t.piece.length-1, t.size))
		return http.StatusPartialContent
	}
	return http.StatusOK
}

// send answers. Before the first byte the audit log says who gets what; after the last, or where it broke, how much went out. The first
// piece is read before anything is said, so that a missing object is a clean error; later, only a cut connection can tell the client
// that the body is not whole (FILE-12).
func (g *Gateway) send(w http.ResponseWriter, r *http.Request, p *auth.Principal, t transfer) error {
	if r.Method == http.MethodHead || t.same {
		w.WriteHeader(t.header(w.Header()))
		return nil
	}
	src, err := export.OpenFile(r.Context(), g.o.Store, t.file, t.gzip, t.piece.offset, t.piece.length)
	if err != nil {
		return g.lost(r, t.job, err)
	}
	defer src.Close()
	buf := transferBuffers.Get().(*[64 << 10]byte)
	defer transferBuffers.Put(buf)
	first, err := fill(src, buf[:min(t.piece.length, int64(len(buf)))])
	if err != nil {
		return g.lost(r, t.job, err)
	}

	e := disclosed(r, p, audit.DownloadStarted, t.job, "download started")
	t.describe(e.Fields)
	if err := g.record(r.Context(), e); err != nil {
		return err
	}
	w.WriteHeader(t.header(w.Header()))
	sent, err := transmit(w, src, buf[:], first)
	whole := err == nil && sent == t.piece.length

	e = disclosed(r, p, audit.DownloadEnded, t.job, "download ended")
	t.describe(e.Fields)
	e.Fields["sent"], e.Fields["whole"] = sent, whole
	if !whole {
		e.Outcome, e.Detail = audit.Failed, "download broke off"
	}
	g.afterwards(r.Context(), e)
	g.o.Metrics.Download(t.coding(), sent, whole)
	if !whole {
		if err != nil && r.Context().Err() == nil {
			g.o.Log.WarnContext(r.Context(), "download broke off", "job", t.job, "file", t.info.Name, "sent", sent, "error", err)
		}
		panic(http.ErrAbortHandler)
	}
	return nil
}

// describe puts what is asked for into the fields of an audit event.
func (t *transfer) describe(fields map[string]any) {
	fields["file"], fields["resourceType"], fields["lines"] = t.info.Name, t.info.Type, t.info.Lines
	fields["coding"], fields["size"] = t.coding(), t.size
	fields["offset"], fields["length"] = t.piece.offset, t.piece.length
}

func (t *transfer) coding() string {
	if t.gzip {
		return "gzip"
	}
	return "identity"
}

// fill reads until buf is full. The source gives as much or an error.
func fill(src io.Reader, buf []byte) ([]byte, error) {
	n, err := io.ReadFull(src, buf)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return buf[:n], err
}

// transmit writes first and then the rest of src. It gives up a client that takes nothing for long. sent counts what the connection took.
func transmit(w http.ResponseWriter, src io.Reader, buf, first []byte) (sent int64, err error) {
	conn := http.NewResponseController(w)
	defer conn.SetWriteDeadline(time.Time{})
	for piece := first; ; {
		_ = conn.SetWriteDeadline(time.Now().Add(stalled)) // where it can be set
		n, err := w.Write(piece)
		sent += int64(n)
		if err != nil {
			return sent, err
		}
		if n, err = src.Read(buf); n == 0 && err != nil {
			if err == io.EOF {
				return sent, nil
			}
			return sent, err
		}
		piece = buf[:n]
	}
}
