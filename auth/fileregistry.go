package auth

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

const clientExt = ".yaml"

// FileRegistry is a Registry of one YAML file a client in a directory: clients/ID.yaml. Changes made by anybody are seen within
// about a second, without a restart. A file that cannot be used disables its own client only, and is told by Problems.
type FileRegistry struct {
	dir   string
	every time.Duration // how often the directory is looked at, at most

	write sync.Mutex // one writer at a time

	mu      sync.Mutex
	checked time.Time
	seen    bool // the directory existed once
	files   map[string]*loadedFile
	strays  []Problem
}

var _ Registry = (*FileRegistry)(nil)

// Problem is one client file that cannot be used, and why.
type Problem struct {
	File   string `json:"file"`
	Reason string `json:"reason"`
}

// loadedFile is what was last read of one client file.
type loadedFile struct {
	stamp, keyStamp stamp
	keyFile         string
	client          *Client // nil when broken
	err             error
}

// stamp tells whether a file is still the one that was read.
type stamp struct {
	info fs.FileInfo // nil: not there
	read time.Time
}

// NewFileRegistry reads the directory at first use; it need not exist yet.
func NewFileRegistry(dir string) *FileRegistry {
	return &FileRegistry{dir: dir, every: time.Second, files: map[string]*loadedFile{}}
}

// Client implements Registry. A client whose file is broken is unknown.
func (r *FileRegistry) Client(_ context.Context, id string) (*Client, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.refresh(); err != nil {
		return nil, err
	}
	f := r.files[id+clientExt]
	switch {
	case f == nil:
		return nil, ErrUnknownClient
	case f.client == nil:
		return nil, fmt.Errorf("%w: its file cannot be used", ErrUnknownClient)
	}
	return f.client.clone(), nil
}

// Clients implements Registry: the usable ones, by id.
func (r *FileRegistry) Clients(_ context.Context) ([]*Client, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.refresh(); err != nil {
		return nil, err
	}
	var clients []*Client
	for _, name := range slices.Sorted(maps.Keys(r.files)) {
		if c := r.files[name].client; c != nil {
			clients = append(clients, c.clone())
		}
	}
	return clients, nil
}

// Problems lists the files that disable their client, and files that look as if they were meant to be one, by name.
func (r *FileRegistry) Problems() []Problem {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.refresh(); err != nil {
		return []Problem{{File: filepath.Base(r.dir), Reason: err.Error()}}
	}
	problems := slices.Clone(r.strays)
	for name, f := range r.files {
		if f.err != nil {
			problems = append(problems, Problem{File: name, Reason: f.err.Error()})
		}
	}
	slices.SortFunc(problems, func(a, b Problem) int { return strings.Compare(a.File, b.File) })
	return problems
}

// refresh looks at the directory, at most once in r.every, and reads the files that changed. The caller holds r.mu.
func (r *FileRegistry) refresh() error {
	now := time.Now()
	if since := now.Sub(r.checked); since >= 0 && since < r.every && !r.checked.IsZero() {
		return nil
	}
	entries, err := os.ReadDir(r.dir)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !r.seen:
		r.checked = now
		return nil // nobody is registered yet
	case err != nil:
		return fmt.Errorf("read client directory: %w", withoutPath(err))
	}
	r.seen, r.checked = true, now

	files := make(map[string]*loadedFile, len(entries))
	r.strays = nil
	for _, e := range entries {
		name := e.Name()
		switch {
		case strings.HasPrefix(name, "."): // ours in the making, an editor's, or Kubernetes' own
		case filepath.Ext(name) == clientExt:
			files[name] = r.load(name, r.files[name])
		case filepath.Ext(name) == ".yml":
			r.strays = append(r.strays, Problem{File: name, Reason: "not read: the name must end in .yaml"})
		}
	}
	r.files = files
	return nil
}

// load reads one file unless old is still true.
func (r *FileRegistry) load(name string, old *loadedFile) *loadedFile {
	path := filepath.Join(r.dir, name)
	if old != nil && old.stamp.holds(path) && (old.keyFile == "" || old.keyStamp.holds(old.keyFile)) {
		return old
	}
	f := &loadedFile{stamp: stampOf(path)}
	if old != nil && old.keyFile != "" {
		f.keyStamp = stampOf(old.keyFile)
	}
	f.client, f.keyFile, f.err = readClient(path)
	if f.keyFile != "" && (old == nil || old.keyFile != f.keyFile) {
		f.keyStamp = stamp{} // taken too late to be trusted: read again next time
	}
	return f
}

func stampOf(path string) stamp {
	info, err := os.Stat(path)
	if err != nil {
		info = nil
	}
	return stamp{info: info, read: time.Now()}
}

// holds says whether the file is certainly the one that was read. A file changed just before it was read may change again within
// the same tick of its clock, so it is read once more.
func (s stamp) holds(path string) bool {
	info, err := os.Stat(path)
	if err != nil || s.info == nil {
		return false
	}
	return os.SameFile(info, s.info) && info.Size() == s.info.Size() && info.ModTime().Equal(s.info.ModTime()) &&
		s.read.Sub(s.info.ModTime()) > 2*time.Second
}
