package pull

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
)

// settle looks at every line of a part that has come whole, inflates it if need be, and gives the file its name only when all is right.
func (p *puller) settle(ctx context.Context, pt *part, s slot) (File, error) {
	f := File{Type: s.Type, Path: filepath.Join(p.dir.dir, s.Name)}
	from, err := p.survey(ctx, pt, s, &f)
	if err != nil {
		return File{}, damaged(err)
	}
	if s.Count != nil && *s.Count != f.Lines {
		return File{}, contentErrorf("it has %d lines, the manifest says %d", f.Lines, *s.Count)
	}
	return f, p.dir.publish(from, s.Name)
}

// survey reads the part, fills in f, and returns under what name the inflated file lies. It goes by the bytes whether to inflate: some
// servers keep compressed files without saying so, and no JSON begins like gzip.
func (p *puller) survey(ctx context.Context, pt *part, s slot, f *File) (from string, err error) {
	in, err := p.dir.Open(pt.name + partSuffix)
	if err != nil {
		return "", err
	}
	defer in.Close()
	raw, sum, size := bufio.NewReaderSize(in, 256<<10), sha256.New(), &counter{}
	from, src, tap := pt.name+partSuffix, io.Reader(raw), io.MultiWriter(sum, size)
	if magic, _ := raw.Peek(2); string(magic) == "\x1f\x8b" {
		from = pt.name + wholeSuffix
		var out *os.File
		if out, err = p.dir.OpenFile(from, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600); err != nil {
			return "", err
		}
		w := bufio.NewWriterSize(out, 256<<10)
		defer func() { err = errors.Join(err, w.Flush(), out.Close()) }()
		tap = io.MultiWriter(sum, size, w)
		if src, err = gzip.NewReader(raw); err != nil {
			return "", err
		}
	}
	f.Lines, err = readLines(ctx, io.TeeReader(src, tap), s.Type)
	f.Bytes, f.SHA256 = size.n, hex.EncodeToString(sum.Sum(nil))
	return from, err
}

// publish gives a complete file its name, durably.
func (d *folder) publish(from, name string) error {
	f, err := d.OpenFile(from, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	return d.Rename(from, name)
}

// damaged tells bytes that are broken from a file that cannot be read here.
func damaged(err error) error {
	_, corrupt := errors.AsType[flate.CorruptInputError](err)
	_, internal := errors.AsType[flate.InternalError](err)
	if corrupt || internal || errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) {
		return contentErrorf("its compressed form is damaged")
	}
	return err
}

// counter counts bytes.
type counter struct{ n int64 }

func (c *counter) Write(b []byte) (int, error) {
	c.n += int64(len(b))
	return len(b), nil
}
