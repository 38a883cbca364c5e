package pull

import (
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
)

// part is a file as it has come over the wire so far. Bytes of one content coding and one entity tag are in it and no others, so that
// it can go on by Range when both still hold.
type part struct {
	dir  *folder
	name string
	have int64
	most int64 // that was ever there: whether another try has brought more
	info partInfo
}

// partInfo lies beside the part and outlives the process.
type partInfo struct {
	Status string `json:"status"`           // of the export it belongs to
	Coding string `json:"coding,omitempty"` // Content-Encoding: gzip, or "" as it is
	ETag   string `json:"etag,omitempty"`   // strong, else it is not kept
	Size   int64  `json:"size"`             // of the whole; -1 unknown
	Whole  bool   `json:"whole,omitempty"`  // all of it has come
}

// openPart finds what an earlier try has left. What belongs to another export, or cannot go on, is dropped.
func openPart(d *folder, name, status string) (*part, error) {
	p := &part{dir: d, name: name, info: partInfo{Status: status, Size: -1}}
	var info partInfo
	found, err := d.readJSON(name+infoSuffix, &info)
	fi, serr := d.Lstat(name + partSuffix)
	if err != nil || !found || serr != nil || info.Status != status || info.ETag == "" && !info.Whole || !fi.Mode().IsRegular() {
		return p, p.drop()
	}
	p.have, p.most, p.info = fi.Size(), fi.Size(), info
	return p, nil
}

// drop forgets all bytes.
func (p *part) drop() error {
	p.have, p.info = 0, partInfo{Status: p.info.Status, Size: -1}
	return p.dir.remove(p.name+partSuffix, p.name+infoSuffix)
}

// begin starts from the first byte with the answer to an ordinary request.
func (p *part) begin(res *http.Response) error {
	if err := p.drop(); err != nil {
		return err
	}
	p.info.Coding, p.info.ETag, p.info.Size = coding(res), strongETag(res), res.ContentLength
	return p.keep()
}

// keep saves what is known of the part.
func (p *part) keep() error { return p.dir.writeJSON(p.name+infoSuffix, p.info) }

// append adds the bytes of r; what came before an error is kept.
func (p *part) append(r io.Reader, each func(have int64)) error {
	f, err := p.dir.OpenFile(p.name+partSuffix, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	buf := make([]byte, 128<<10)
	for {
		n, rerr := r.Read(buf)
		if n > 0 {
			w, err := f.Write(buf[:n])
			p.have += int64(w)
			p.most = max(p.most, p.have)
			if err != nil {
				return errors.Join(err, f.Close())
			}
			each(p.have)
		}
		if rerr == io.EOF {
			return f.Close()
		}
		if rerr != nil {
			return errors.Join(rerr, f.Close())
		}
	}
}

func coding(res *http.Response) string {
	c := strings.ToLower(strings.TrimSpace(res.Header.Get("Content-Encoding")))
	switch c {
	case "identity":
		return ""
	case "x-gzip":
		return "gzip"
	}
	return c
}

// strongETag returns the entity tag when equal tags mean equal bytes (RFC 9110, 8.8.1).
func strongETag(res *http.Response) string {
	if tag := res.Header.Get("ETag"); strings.HasPrefix(tag, `"`) {
		return tag
	}
	return ""
}
