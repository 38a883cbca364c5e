package pull

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"sluice/fhir"
)

// stall is how long a download may bring nothing.
const stall = 2 * time.Minute

var errStalled = errors.New("nothing came for 2 minutes")

// fetch brings the missing bytes of a part with one request. A nil error means that the body ended as bodies
// do; part.info.Whole, that this is sure to be all.
func (p *puller) fetch(ctx context.Context, address string, signed bool, pt *part) error {
	wctx, give := context.WithCancelCause(ctx)
	defer give(nil)
	watch := time.AfterFunc(stall, func() { give(errStalled) })
	defer watch.Stop()

	err := p.request(wctx, address, signed, pt, func() { watch.Reset(stall) })
	if err != nil && context.Cause(wctx) == errStalled {
		return errStalled
	}
	return err
}

func (p *puller) request(ctx context.Context, address string, signed bool, pt *part, alive func()) error {
	// The coding is said anyhow, so that the transport does not inflate: a range is one of the bytes on the wire.
	h := http.Header{"Accept": {fhir.MediaTypeNDJSON + ", application/ndjson;q=0.9, */*;q=0.1"}, "Accept-Encoding": {"gzip"}}
	if p.o.NoGzip {
		h.Set("Accept-Encoding", "identity")
	}
	ranged := pt.have > 0 && pt.info.ETag != ""
	if ranged {
		h.Set("Range", fmt.Sprintf("bytes=%d-", pt.have))
		h.Set("If-Range", pt.info.ETag)
	}
	res, err := p.s.do(ctx, http.MethodGet, address, h, signed)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	alive()
	switch {
	case res.StatusCode == http.StatusOK:
		if err := pt.begin(res); err != nil {
			return err
		}
		if c := pt.info.Coding; c != "" && c != "gzip" {
			return permanentf("the file comes in a coding nobody asked for: %s", printable(c, 40))
		}
	case res.StatusCode == http.StatusPartialContent && ranged:
		if !goesOn(res, pt) {
			return errors.Join(errors.New("the server sent another piece than asked for"), pt.drop())
		}
	case res.StatusCode == http.StatusRequestedRangeNotSatisfiable && ranged:
		if res.Header.Get("Content-Range") == fmt.Sprintf("bytes */%d", pt.have) {
			return pt.end(true)
		}
		return errors.Join(errors.New("the server has not the rest of the file"), pt.drop())
	default:
		return answered(res)
	}
	name := pt.name
	p.o.Reporter.Advance(name, pt.have, pt.info.Size)
	err = pt.append(res.Body, func(have int64) {
		alive()
		p.o.Reporter.Advance(name, have, pt.info.Size)
	})
	switch {
	case err != nil:
		return err
	case pt.info.Size >= 0 && pt.have < pt.info.Size:
		return io.ErrUnexpectedEOF
	case pt.info.Size >= 0 && pt.have > pt.info.Size:
		return errors.Join(errors.New("the file is longer than the server said"), pt.drop())
	}
	// Only an old connection that is simply closed does not say that this was all.
	return pt.end(pt.info.Size >= 0 || len(res.TransferEncoding) > 0 || res.ProtoMajor > 1)
}

// end notes that the body ended; sure, that nothing was cut off.
func (p *part) end(sure bool) error {
	if !sure {
		return nil
	}
	p.info.Size, p.info.Whole = p.have, true
	return p.keep()
}

// goesOn checks that a 206 continues the part: the same bytes from where it ends.
func goesOn(res *http.Response, pt *part) bool {
	span, ok := strings.CutPrefix(res.Header.Get("Content-Range"), "bytes ")
	if !ok {
		return false
	}
	span, total, _ := strings.Cut(span, "/")
	first, _, _ := strings.Cut(span, "-")
	start, err := strconv.ParseInt(first, 10, 64)
	if err != nil || start != pt.have || coding(res) != pt.info.Coding {
		return false
	}
	if tag := strongETag(res); tag != "" && tag != pt.info.ETag {
		return false
	}
	size, err := strconv.ParseInt(total, 10, 64)
	switch {
	case err != nil: // "*": not known
		return true
	case pt.info.Size < 0:
		pt.info.Size = size
	}
	return size == pt.info.Size
}
