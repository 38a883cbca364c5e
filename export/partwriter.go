package export

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash"
	"hash/crc32"
	"io"
	"sync"

	"github.com/klauspost/compress/flate"
)

const (
	headLen = 10 // gzip header
	tailLen = 10 // final deflate block, CRC-32, length
)

// gzipHead begins every part and every virtual file: deflate, no name, no time, OS unknown. Always the same bytes, so that they can be
// left out and put back.
var gzipHead = [headLen]byte{0x1f, 0x8b, 8, 9: 255}

// gzipTail ends every part and every virtual file: an empty final block, the CRC and the length modulo 2^32 (RFC 1952).
func gzipTail(crc uint32, raw int64) [tailLen]byte {
	t := [tailLen]byte{0x03, 0x00}
	binary.LittleEndian.PutUint32(t[2:], crc)
	binary.LittleEndian.PutUint32(t[6:], uint32(raw))
	return t
}

// PartWriter writes one standalone gzip of whole NDJSON lines whose deflate blocks end on a byte border before the final block, so
// that the blocks of several parts can be sent as one stream. It belongs to one goroutine. One that is given up needs no Close.
type PartWriter struct {
	out  stored
	fw   *flate.Writer // nil after Close
	stat PartStat
	last byte // last byte written: a part ends with a whole line
	err  error
}

// compressors holds flate writers: a new one costs more than a megabyte. Reset makes them forget the part before; a part that referred
// to another's bytes could not be read alone.
var compressors = sync.Pool{New: func() any {
	fw, err := flate.NewWriter(io.Discard, flate.BestSpeed)
	if err != nil {
		panic(err) // the level is a constant
	}
	return fw
}}

// NewPartWriter begins a part on w.
func NewPartWriter(w io.Writer) *PartWriter {
	p := &PartWriter{out: stored{w: w, sum: sha256.New()}, fw: compressors.Get().(*flate.Writer), last: '\n'}
	p.fw.Reset(&p.out)
	_, p.err = p.out.Write(gzipHead[:])
	return p
}

// Write adds whole lines, each ending with "\n", or pieces of lines one after the other.
func (p *PartWriter) Write(b []byte) (int, error) {
	switch {
	case p.err != nil:
		return 0, p.err
	case p.fw == nil:
		return 0, errPartClosed
	case len(b) == 0:
		return 0, nil
	}
	n, err := p.fw.Write(b)
	p.err = err
	p.stat.Raw += int64(n)
	p.stat.Lines += int64(bytes.Count(b[:n], newline))
	p.stat.CRC32 = crc32.Update(p.stat.CRC32, crc32.IEEETable, b[:n])
	p.last = b[len(b)-1]
	return n, err
}

// Stored returns the number of compressed bytes written so far. Up to 64 KiB of lines may still be on their way.
func (p *PartWriter) Stored() int64 { return p.out.n }

// Raw returns the number of bytes of the lines so far.
func (p *PartWriter) Raw() int64 { return p.stat.Raw }

// Lines returns the number of lines so far.
func (p *PartWriter) Lines() int64 { return p.stat.Lines }

// Close ends the part and describes it. It does not close the writer below. A second Close repeats the first one's answer.
func (p *PartWriter) Close() (PartStat, error) {
	if p.fw != nil {
		if p.err == nil {
			p.err = p.finish()
		}
		p.fw.Reset(io.Discard)
		compressors.Put(p.fw)
		p.fw = nil
	}
	if p.err != nil {
		return PartStat{}, p.err
	}
	return p.stat, nil
}

func (p *PartWriter) finish() error {
	if p.last != '\n' {
		return errHalfLine
	}
	if err := p.fw.Flush(); err != nil { // the byte border
		return err
	}
	p.stat.PayloadEnd = p.out.n
	tail := gzipTail(p.stat.CRC32, p.stat.Raw)
	if _, err := p.out.Write(tail[:]); err != nil {
		return err
	}
	p.stat.Stored = p.out.n
	p.stat.SHA256 = hex.EncodeToString(p.out.sum.Sum(nil))
	return nil
}

var (
	newline       = []byte{'\n'}
	errPartClosed = errors.New("export: part is closed")
	errHalfLine   = errors.New("export: part ends in the middle of a line")
)

// stored passes the compressed bytes on, counted and hashed.
type stored struct {
	w   io.Writer
	n   int64
	sum hash.Hash
}

func (s *stored) Write(b []byte) (int, error) {
	n, err := s.w.Write(b)
	s.n += int64(n)
	s.sum.Write(b[:n])
	return n, err
}
