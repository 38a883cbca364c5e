package fanout

import (
	"bytes"
	"context"
	"fmt"

	"sluice/export"
	"sluice/fhir"
	"sluice/storage"
)

// openPart is a part in the making: gzip in memory, put into the store when it is closed.
type openPart struct {
	key string
	typ string
	buf bytes.Buffer
	w   *export.PartWriter
}

func newOpenPart(key, typ string) *openPart {
	p := &openPart{key: key, typ: typ}
	p.w = export.NewPartWriter(&p.buf)
	return p
}

// write adds whole lines.
func (p *openPart) write(lines []byte) error {
	_, err := p.w.Write(lines)
	return err
}

// size is the number of compressed bytes held in memory.
func (p *openPart) size() int64 { return int64(p.buf.Len()) }

// put closes the part and writes it to the store. A part exists only when a commit record names it: nothing else is needed to
// take it back.
func (p *openPart) put(ctx context.Context, e *Engine) (export.Part, error) {
	stat, err := p.w.Close()
	if err != nil {
		return export.Part{}, fmt.Errorf("close part: %w", err)
	}
	err = storage.Retry(ctx, func() error {
		return storage.Put(ctx, e.Store, p.key, p.buf.Bytes(), storage.CreateOptions{ContentType: fhir.MediaTypeNDJSON, ContentEncoding: "gzip"})
	})
	if err != nil {
		return export.Part{}, fmt.Errorf("put part: %w", err)
	}
	return export.Part{Key: p.key, Type: p.typ, PartStat: stat}, nil
}
