package export

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"math"
)

// A virtual file is downloaded in one of two codings. As gzip it is one member: the fixed header, the deflate blocks of all parts one
// after the other, one final block, and the CRC and length of the whole, combined from the parts' own. Nothing is compressed again.
// (Members one after the other would be shorter to build, but many clients stop after the first.) As identity it is the inflated lines.

// GzipSize returns the length of the file in gzip coding.
func (f *File) GzipSize() int64 {
	size := int64(headLen + tailLen)
	for i := range f.Extents {
		size += f.Extents[i].size(true)
	}
	return size
}

// IdentitySize returns the length of the file in identity coding: the bytes of its lines.
func (f *File) IdentitySize() int64 {
	var size int64
	for i := range f.Extents {
		size += f.Extents[i].size(false)
	}
	return size
}

// ETag returns a strong entity tag, quotes included, that is the same wherever and whenever the file is served. The two codings are
// different bytes and have different tags (RFC 9110, 8.8.3).
func (f *File) ETag(gzip bool) string {
	h := sha256.New()
	io.WriteString(h, "virtual file 1\n") // another number when the bytes sent for the same extents change
	var n [16]byte
	for i := range f.Extents {
		e := &f.Extents[i]
		binary.BigEndian.PutUint64(n[:8], uint64(e.Raw))
		binary.BigEndian.PutUint64(n[8:], uint64(e.PayloadEnd))
		h.Write(n[:])
		io.WriteString(h, e.SHA256)
	}
	tag := base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:18])
	if gzip {
		return `"` + tag + `-gzip"`
	}
	return `"` + tag + `"`
}

// tail returns the last bytes of the gzip coding.
func (f *File) tail() [tailLen]byte {
	var crc uint32
	var raw int64
	for i := range f.Extents {
		crc = CombineCRC32(crc, f.Extents[i].CRC32, f.Extents[i].Raw)
		raw += f.Extents[i].Raw
	}
	return gzipTail(crc, raw)
}

// check refuses an extent table that no PartWriter can have written: sizes could no longer be trusted.
func (f *File) check() error {
	var raw, payload int64
	for i := range f.Extents {
		e := &f.Extents[i]
		if e.Raw < 0 || e.PayloadEnd < headLen || e.PayloadEnd > math.MaxInt64-tailLen || e.Stored != e.PayloadEnd+tailLen {
			return fmt.Errorf("extent %d of %s: %w", i, f.Name, ErrCorrupt)
		}
		raw += e.Raw
		payload += e.PayloadEnd
		if raw < 0 || payload < 0 || payload > math.MaxInt64-headLen-tailLen {
			return fmt.Errorf("extents of %s: %w", f.Name, ErrCorrupt)
		}
	}
	return nil
}

// size returns what the extent adds to the file in one coding.
func (e *Extent) size(gzip bool) int64 {
	if gzip {
		return e.PayloadEnd - headLen
	}
	return e.Raw
}
