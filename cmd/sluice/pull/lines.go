package pull

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"sluice/fhir"
)

// maxLine caps one resource.
const maxLine = 512 << 20

// contentError says that a file which has come whole is not what the manifest promises.
type contentError struct{ reason string }

func (e *contentError) Error() string { return e.reason }

func contentErrorf(format string, args ...any) error {
	return &contentError{fmt.Sprintf(format, args...)}
}

// readLines reads NDJSON and returns how many lines it has: each must be a resource of the type, any if typ is "". Empty lines are
// not counted. A last line that is cut is io.ErrUnexpectedEOF.
func readLines(ctx context.Context, r io.Reader, typ string) (n int64, err error) {
	in := bufio.NewReaderSize(r, 256<<10)
	var long []byte
	for number := int64(1); ; number++ {
		line, err := in.ReadSlice('\n')
		if err == bufio.ErrBufferFull {
			long = long[:0]
			for err == bufio.ErrBufferFull && len(long) <= maxLine {
				long = append(long, line...)
				line, err = in.ReadSlice('\n')
			}
			long = append(long, line...)
			line = long
			if len(line) > maxLine {
				return n, contentErrorf("line %d is longer than %d MiB", number, maxLine>>20)
			}
		}
		if err != nil && err != io.EOF {
			return n, err
		}
		if text := bytes.TrimSpace(line); len(text) > 0 {
			if reason := wrong(text, typ); reason != "" {
				if err == io.EOF && !json.Valid(text) {
					return n, io.ErrUnexpectedEOF
				}
				return n, contentErrorf("line %d %s", number, reason)
			}
			n++
		}
		if err == io.EOF {
			return n, nil
		}
		if number%1024 == 0 && ctx.Err() != nil {
			return n, ctx.Err()
		}
	}
}

// wrong says what is wrong with a line, without its content.
func wrong(line []byte, typ string) string {
	switch {
	case !utf8.Valid(line):
		return "is not UTF-8"
	case !json.Valid(line):
		return "is no JSON"
	}
	h, err := fhir.Peek(line)
	switch {
	case err != nil || h.ResourceType == "":
		return "is no FHIR resource"
	case typ == "" || h.ResourceType == typ:
		return ""
	case fhir.ValidType(h.ResourceType):
		return fmt.Sprintf("is of type %s, the manifest says %s", h.ResourceType, printable(typ, 64))
	}
	return "is not of type " + printable(typ, 64)
}

// isContent reports whether err is about what a file holds.
func isContent(err error) bool {
	_, ok := errors.AsType[*contentError](err)
	return ok
}
