package pull

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// What lies in the folder besides the files of the export.
const (
	stateName    = ".sluice-pull.json" // what an interrupted pull goes on from
	manifestName = "manifest.json"     // written last: the pull is finished
	partSuffix   = ".part"             // a file as it comes over the wire, perhaps compressed
	infoSuffix   = ".part.json"        // what is known of the part
	wholeSuffix  = ".whole"            // being inflated and checked
)

// folder is where the files go. Nothing is ever written outside it, whatever the server calls its files.
type folder struct {
	*os.Root
	dir string
}

func openFolder(dir string) (*folder, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &folder{root, dir}, nil
}

// write makes a small file hold body: after a crash it holds all of the old or all of the new.
func (d *folder) write(name string, body []byte) error {
	tmp := name + ".new"
	f, err := d.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(body)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return d.Rename(tmp, name)
}

func (d *folder) writeJSON(name string, v any) error {
	body, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return d.write(name, append(body, '\n'))
}

// readJSON reports whether the file is there.
func (d *folder) readJSON(name string, v any) (bool, error) {
	body, err := d.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err == nil {
		err = json.Unmarshal(body, v)
	}
	if err != nil {
		return false, permanentf("read %s: %w", name, err)
	}
	return true, nil
}

func (d *folder) has(name string) bool {
	_, err := d.Lstat(name)
	return err == nil
}

// remove takes files away; those that are not there are no error.
func (d *folder) remove(names ...string) error {
	var errs []error
	for _, n := range names {
		if err := d.Remove(n); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
