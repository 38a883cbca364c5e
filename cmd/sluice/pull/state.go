package pull

import (
	"os"
	"path/filepath"
	"sync"
)

// state is what an interrupted pull goes on from. It is saved after the kick-off and after each file.
type state struct {
	Request string `json:"request"` // the kick-off URL, "" when the pull began with a status URL
	Client  string `json:"client,omitempty"`
	Status  string `json:"status"`
	Files   []slot `json:"files,omitempty"` // in the order of the manifest

	mu     sync.Mutex
	folder *folder
}

// slot is one file of the manifest and its place in the folder.
type slot struct {
	List  string `json:"list"` // output, deleted or error
	Type  string `json:"type,omitempty"`
	Count *int64 `json:"count,omitempty"` // nil: the manifest does not say
	Name  string `json:"name"`
	Got   *File  `json:"got,omitempty"` // set when the file is whole
}

// load reads the state of the folder. A folder with a finished pull, or with one that is not this one, is refused: two exports in
// one folder could not be told apart.
func load(d *folder, same func(*state) bool) (*state, error) {
	s := &state{folder: d}
	found, err := d.readJSON(stateName, s)
	switch {
	case err != nil:
		return nil, err
	case d.has(manifestName):
		return nil, permanentf("%s holds a finished export: choose another folder, or remove it", d.dir)
	case found && !same(s):
		return nil, permanentf("%s holds another export that is not finished: choose another folder, or go on with that one", d.dir)
	}
	return s, nil
}

// Begun reports whether a folder holds a pull that is not finished, so that Run can go on with it.
func Begun(dir string) bool {
	_, began := os.Stat(filepath.Join(dir, stateName))
	_, finished := os.Stat(filepath.Join(dir, manifestName))
	return began == nil && finished != nil
}

func (s *state) save() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.folder.writeJSON(stateName, s)
}

// got notes a whole file.
func (s *state) got(i int, f File) error {
	s.mu.Lock()
	s.Files[i].Got = &f
	s.mu.Unlock()
	return s.save()
}

// discard removes everything this pull has written: its export is gone.
func (s *state) discard() error {
	for _, f := range s.Files {
		names := []string{f.Name + partSuffix, f.Name + infoSuffix, f.Name + wholeSuffix}
		if f.Got != nil {
			names = append(names, f.Name)
		}
		if err := s.folder.remove(names...); err != nil {
			return err
		}
	}
	s.Request, s.Client, s.Status, s.Files = "", "", "", nil
	return s.folder.remove(stateName)
}
