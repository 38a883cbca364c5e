package blobstore

import (
	"bytes"
	"io"
	"os"
)

// spoolMemory is how much of an object is kept in memory; a larger one is written to a temporary file.
const spoolMemory = 16 << 20

// spool collects the body of one object. It belongs to one goroutine.
type spool struct {
	memory bytes.Buffer
	file   *os.File
	named  bool // the file could not be unlinked while it is open
	size   int64
}

func (s *spool) Write(p []byte) (n int, err error) {
	if s.file == nil && s.memory.Len()+len(p) > spoolMemory {
		if err := s.spill(); err != nil {
			return 0, err
		}
	}
	if s.file != nil {
		n, err = s.file.Write(p)
	} else {
		n, err = s.memory.Write(p)
	}
	s.size += int64(n)
	return n, err
}

// spill moves what is in memory into a file. Where the system allows it the file has no name: rows of patients are gone with the process.
func (s *spool) spill() error {
	f, err := os.CreateTemp("", "sluice-put-*") // mode 0600
	if err != nil {
		return err
	}
	s.file, s.named = f, os.Remove(f.Name()) != nil
	if _, err := f.Write(s.memory.Bytes()); err != nil {
		return err
	}
	s.memory = bytes.Buffer{}
	return nil
}

// body returns what was written, from its beginning; it may be read again.
func (s *spool) body() io.ReadSeeker {
	if s.file != nil {
		return io.NewSectionReader(s.file, 0, s.size)
	}
	return bytes.NewReader(s.memory.Bytes())
}

// drop forgets everything.
func (s *spool) drop() error {
	s.memory = bytes.Buffer{}
	if s.file == nil {
		return nil
	}
	name := s.file.Name()
	s.file.Close()
	s.file = nil
	if !s.named {
		return nil
	}
	return os.Remove(name)
}
