package auth

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v4"
)

// maxClientFile caps a client file; a key set of 64 KiB fits.
const maxClientFile = 256 << 10

// clientFile is a client as its YAML file says it: enabled may be left out, and jwks may be YAML, JSON or a string of JSON.
type clientFile struct {
	ID       string    `yaml:"id"`
	Name     string    `yaml:"name"`
	Contact  string    `yaml:"contact"`
	Purpose  string    `yaml:"purpose"`
	JWKS     yaml.Node `yaml:"jwks"`
	JWKSFile string    `yaml:"jwks_file"`
	JWKSURI  string    `yaml:"jwks_uri"`
	Scopes   []string  `yaml:"scopes"`
	Groups   []string  `yaml:"groups"`
	Enabled  *bool     `yaml:"enabled"`
	Limits   Limits    `yaml:"limits"`
}

// readClient reads and checks one client file. keyFile is the path of its jwks_file, "" if it has none, also when the client
// comes out broken: a change there must be noticed.
func readClient(path string) (c *Client, keyFile string, err error) {
	raw, err := readCapped(path, maxClientFile)
	if err != nil {
		return nil, "", err
	}
	var f clientFile
	if err := yaml.Load(raw, &f, yaml.WithKnownFields()); err != nil {
		return nil, "", oneLine(err)
	}
	c = &Client{
		ID: f.ID, Name: f.Name, Contact: f.Contact, Purpose: f.Purpose, JWKSFile: f.JWKSFile, JWKSURI: f.JWKSURI,
		Scopes: f.Scopes, Groups: f.Groups, Enabled: f.Enabled == nil || *f.Enabled, Limits: f.Limits,
	}
	if !f.JWKS.IsZero() && f.JWKSFile != "" {
		return nil, "", errors.New("keys: want exactly one of jwks, jwks_file and jwks_uri")
	}
	if !f.JWKS.IsZero() {
		if c.JWKS, err = nodeJSON(&f.JWKS); err != nil {
			return nil, "", fmt.Errorf("jwks: %w", err)
		}
	}
	if f.JWKSFile != "" {
		keyFile = f.JWKSFile
		if !filepath.IsAbs(keyFile) {
			keyFile = filepath.Join(filepath.Dir(path), keyFile)
		}
		if c.JWKS, err = readCapped(keyFile, maxJWKS); err != nil {
			return nil, keyFile, fmt.Errorf("jwks_file: %w", err)
		}
	}
	if stem := strings.TrimSuffix(filepath.Base(path), clientExt); c.ID != stem {
		return nil, keyFile, errors.New("id: want the name of the file without .yaml")
	}
	if err := c.Check(); err != nil {
		return nil, keyFile, oneLine(err)
	}
	return c, keyFile, nil
}

// readCapped reads a small file; the error names no path, since the caller knows it.
func readCapped(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, withoutPath(err)
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, withoutPath(err)
	}
	if int64(len(raw)) > limit {
		return nil, fmt.Errorf("larger than %d KiB", limit>>10)
	}
	return raw, nil
}

func withoutPath(err error) error {
	if pe, ok := errors.AsType[*os.PathError](err); ok {
		return pe.Err
	}
	return err
}

func oneLine(err error) error {
	return errors.New(strings.Join(strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' }), "; "))
}

// nodeJSON turns a JWK set written in YAML into JSON. Every scalar becomes a string as it is spelled, so that an unquoted kid
// like 2026-03 or 007 stays what it is; a whole set may also stand in one string.
func nodeJSON(n *yaml.Node) (json.RawMessage, error) {
	if n.Kind == yaml.ScalarNode {
		if !json.Valid([]byte(n.Value)) {
			return nil, errors.New("not JSON")
		}
		return json.RawMessage(n.Value), nil
	}
	var b bytes.Buffer
	if err := writeNode(&b, n, 0); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func writeNode(b *bytes.Buffer, n *yaml.Node, depth int) error {
	if depth > 8 {
		return errors.New("too deep")
	}
	switch n.Kind {
	case yaml.ScalarNode:
		text, err := json.Marshal(n.Value)
		if err != nil {
			return err
		}
		if n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) == 0 && (n.Value == "true" || n.Value == "false" || n.Value == "null") {
			text = []byte(n.Value)
		}
		b.Write(text)
		return nil
	case yaml.SequenceNode:
		return writeList(b, n.Content, "[]", func(i int) string { return "," }, depth)
	case yaml.MappingNode:
		return writeList(b, n.Content, "{}", func(i int) string { return string(":,"[i%2]) }, depth)
	}
	return errors.New("want plain lists and mappings, no aliases")
}

// writeList writes the children between the two brackets; sep gives what stands after child i.
func writeList(b *bytes.Buffer, children []*yaml.Node, brackets string, sep func(i int) string, depth int) error {
	b.WriteByte(brackets[0])
	for i, c := range children {
		if err := writeNode(b, c, depth+1); err != nil {
			return err
		}
		if i < len(children)-1 {
			b.WriteString(sep(i))
		}
	}
	b.WriteByte(brackets[1])
	return nil
}
