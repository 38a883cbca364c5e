package auth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"go.yaml.in/yaml/v4"
)

// Add writes a new client file. ErrClientExists: the id is taken, also by a broken file. The keys come from c.JWKS (written
// inline), c.JWKSFile or c.JWKSURI.
func (r *FileRegistry) Add(_ context.Context, c *Client) error {
	check := c
	if c.JWKSFile != "" && len(c.JWKS) == 0 { // the file is read when the registry loads it
		check = c.clone()
		path := c.JWKSFile
		if !filepath.IsAbs(path) {
			path = filepath.Join(r.dir, path)
		}
		keys, err := readCapped(path, maxJWKS)
		if err != nil {
			return fmt.Errorf("add client: jwks_file: %w", err)
		}
		check.JWKS = keys
	}
	if err := check.Check(); err != nil {
		return fmt.Errorf("add client: %w", oneLine(err))
	}
	doc, err := encodeClient(c)
	if err != nil {
		return fmt.Errorf("add client: %w", err)
	}

	r.write.Lock()
	defer r.write.Unlock()
	if err := os.MkdirAll(r.dir, 0o700); err != nil {
		return fmt.Errorf("add client: %w", withoutPath(err))
	}
	if err := r.replace(c.ID, doc, true); err != nil {
		return fmt.Errorf("add client %s: %w", c.ID, err)
	}
	return nil
}

// SetEnabled switches a client on or off. Comments and order of the file stay.
func (r *FileRegistry) SetEnabled(_ context.Context, id string, enabled bool) error {
	return r.edit(id, func(m *yaml.Node) error {
		setField(m, "enabled", &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: fmt.Sprint(enabled)})
		return nil
	})
}

// Rotate replaces the inline key set of a client; to let old and new keys overlap, give both. Clients whose keys come from
// jwks_file or jwks_uri rotate there.
func (r *FileRegistry) Rotate(_ context.Context, id string, jwks json.RawMessage) error {
	keys, notes, err := parseJWKS(jwks)
	if err != nil {
		return fmt.Errorf("rotate keys of %s: %w", id, err)
	}
	if len(keys) == 0 || len(notes) > 0 {
		return fmt.Errorf("rotate keys of %s: not every key is usable: %q", id, notes)
	}
	node, err := jsonNode(jwks)
	if err != nil {
		return fmt.Errorf("rotate keys of %s: %w", id, err)
	}
	return r.edit(id, func(m *yaml.Node) error {
		if field(m, "jwks_file") != nil || field(m, "jwks_uri") != nil {
			return errors.New("its keys come from jwks_file or jwks_uri: change them there")
		}
		setField(m, "jwks", node)
		return nil
	})
}

// edit changes the YAML document of a client and writes it back whole.
func (r *FileRegistry) edit(id string, change func(mapping *yaml.Node) error) error {
	if !ValidClientID(id) {
		return ErrUnknownClient
	}
	r.write.Lock()
	defer r.write.Unlock()
	raw, err := readCapped(r.path(id), maxClientFile)
	if errors.Is(err, fs.ErrNotExist) {
		return ErrUnknownClient
	}
	if err != nil {
		return fmt.Errorf("change client %s: %w", id, err)
	}
	var doc yaml.Node
	if err := yaml.Load(raw, &doc); err != nil {
		return fmt.Errorf("change client %s: %w", id, oneLine(err))
	}
	if len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode {
		return fmt.Errorf("change client %s: its file is no mapping", id)
	}
	if err := change(doc.Content[0]); err != nil {
		return fmt.Errorf("change client %s: %w", id, err)
	}
	out, err := yaml.Dump(&doc)
	if err != nil {
		return fmt.Errorf("change client %s: %w", id, err)
	}
	if err := r.replace(id, out, false); err != nil {
		return fmt.Errorf("change client %s: %w", id, err)
	}
	return nil
}

func (r *FileRegistry) path(id string) string { return filepath.Join(r.dir, id+clientExt) }

// replace makes the file of id hold body: after a crash it holds all of the old or all of the new. With create it must not exist.
func (r *FileRegistry) replace(id string, body []byte, create bool) (err error) {
	tmp, err := os.CreateTemp(r.dir, ".client-*") // mode 0600
	if err != nil {
		return withoutPath(err)
	}
	defer func() {
		if err != nil {
			os.Remove(tmp.Name())
		}
	}()
	_, err = tmp.Write(body)
	if err == nil {
		err = tmp.Sync()
	}
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return withoutPath(err)
	}
	if create {
		// A link fails when the name is taken: two writers cannot both win.
		if err = os.Link(tmp.Name(), r.path(id)); errors.Is(err, fs.ErrExist) {
			return ErrClientExists
		}
		if err != nil { // a file system without links
			if _, serr := os.Stat(r.path(id)); serr == nil {
				return ErrClientExists
			}
		} else {
			os.Remove(tmp.Name())
		}
	}
	if !create || err != nil {
		if err = os.Rename(tmp.Name(), r.path(id)); err != nil {
			return errors.New("rename of the new file did not work")
		}
	}
	r.mu.Lock()
	r.checked = time.Time{} // our own change counts at once
	r.mu.Unlock()
	return syncDir(r.dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return withoutPath(err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, fs.ErrInvalid) {
		return withoutPath(err)
	}
	return nil
}

// encodeClient writes a client as YAML in the order of the struct.
func encodeClient(c *Client) ([]byte, error) {
	type plain struct {
		ID       string     `yaml:"id"`
		Name     string     `yaml:"name,omitempty"`
		Contact  string     `yaml:"contact,omitempty"`
		Purpose  string     `yaml:"purpose,omitempty"`
		JWKS     *yaml.Node `yaml:"jwks,omitempty"`
		JWKSFile string     `yaml:"jwks_file,omitempty"`
		JWKSURI  string     `yaml:"jwks_uri,omitempty"`
		Scopes   []string   `yaml:"scopes"`
		Groups   []string   `yaml:"groups,omitempty"`
		Enabled  bool       `yaml:"enabled"`
		Limits   Limits     `yaml:"limits,omitempty"`
	}
	p := plain{
		ID: c.ID, Name: c.Name, Contact: c.Contact, Purpose: c.Purpose, JWKSFile: c.JWKSFile, JWKSURI: c.JWKSURI,
		Scopes: c.Scopes, Groups: c.Groups, Enabled: c.Enabled, Limits: c.Limits,
	}
	if c.JWKSFile == "" && len(c.JWKS) > 0 {
		var err error
		if p.JWKS, err = jsonNode(c.JWKS); err != nil {
			return nil, err
		}
	}
	return yaml.Dump(&p)
}

// jsonNode turns JSON into a YAML node; JSON is YAML, written in flow style.
func jsonNode(raw json.RawMessage) (*yaml.Node, error) {
	var compact bytes.Buffer
	if err := json.Compact(&compact, raw); err != nil {
		return nil, errors.New("not JSON")
	}
	var doc yaml.Node
	if err := yaml.Load(compact.Bytes(), &doc); err != nil || len(doc.Content) != 1 {
		return nil, errors.New("not a JSON object")
	}
	return doc.Content[0], nil
}

func field(m *yaml.Node, name string) *yaml.Node {
	for i := 0; i+1 < len(m.Content); i += 2 {
		if m.Content[i].Value == name {
			return m.Content[i+1]
		}
	}
	return nil
}

func setField(m *yaml.Node, name string, value *yaml.Node) {
	if old := field(m, name); old != nil {
		value.LineComment, value.HeadComment, value.FootComment = old.LineComment, old.HeadComment, old.FootComment
		*old = *value
		return
	}
	m.Content = append(m.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: name}, value)
}
