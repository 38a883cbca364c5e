package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	segmentPrefix = "audit-"
	segmentSuffix = ".ndjson"
	segmentDay    = "20060102" // UTC
)

// segment is the file that lines are added to: one a day.
type segment struct {
	dir  string
	day  string
	size int64 // bytes that are known to be on disk and whole
	f    *os.File
	// dirty says that the file may hold more than size, the remains of a failed write.
	dirty bool
}

// append writes whole lines and returns when they are on disk. After an error the segment stands where it stood; whatever a failed write left in
// the file is cut off before the next one.
func (s *segment) append(lines []byte, now time.Time) error {
	if day := now.UTC().Format(segmentDay); day > s.day { // never back, if the clock goes back
		s.close()
		s.day, s.size, s.dirty = day, 0, true
	}
	if err := s.ready(); err != nil {
		s.fail()
		return err
	}
	if _, err := s.f.Write(lines); err != nil {
		s.fail()
		return err
	}
	if err := s.f.Sync(); err != nil {
		s.fail()
		return err
	}
	s.size += int64(len(lines))
	return nil
}

// ready makes sure that the file is open, still the one under its name, and ends where it should.
func (s *segment) ready() error {
	path := s.path()
	if s.f == nil {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
		if err != nil {
			return err
		}
		s.f = f
		if err := syncDir(s.dir); err != nil {
			return err
		}
	}
	open, err := s.f.Stat()
	if err != nil {
		return err
	}
	named, err := os.Stat(path)
	if err != nil || !os.SameFile(open, named) {
		return fmt.Errorf("%s was removed or replaced while in use; restart to go on with a new file", s.name())
	}
	if open.Size() < s.size || (open.Size() > s.size && !s.dirty) {
		return fmt.Errorf("%s was changed by someone else: %d bytes, want %d", s.name(), open.Size(), s.size)
	}
	if open.Size() > s.size {
		if err := s.f.Truncate(s.size); err != nil {
			return err
		}
	}
	s.dirty = false
	return nil
}

// fail prepares for the next try. The file is closed because after a failed fsync the same handle could call lost data written.
func (s *segment) fail() {
	s.close()
	s.dirty = true
}

func (s *segment) close() {
	if s.f != nil {
		s.f.Close() // every line in it is synced, or was reported as failed
		s.f = nil
	}
}

func (s *segment) name() string { return segmentPrefix + s.day + segmentSuffix }
func (s *segment) path() string { return filepath.Join(s.dir, s.name()) }

// segments returns the days of the segments in dir, oldest first.
func segments(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var days []string
	for _, e := range entries {
		day, ok := strings.CutPrefix(e.Name(), segmentPrefix)
		if !ok {
			continue
		}
		if day, ok = strings.CutSuffix(day, segmentSuffix); !ok {
			continue
		}
		if _, err := time.Parse(segmentDay, day); err == nil {
			days = append(days, day)
		}
	}
	slices.Sort(days)
	return days, nil
}

// syncDir makes new names in dir durable, where the system can.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, fs.ErrPermission) && !errors.Is(err, fs.ErrInvalid) {
		return err
	}
	return nil
}

// hashLine returns the link of the chain: the hash of a line without its end.
func hashLine(line []byte) string {
	sum := sha256.Sum256(line)
	return hex.EncodeToString(sum[:])
}
