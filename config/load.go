package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"

	"go.yaml.in/yaml/v4"
)

// Load reads the file at path (none if it is empty), lays the variables of environ ("NAME=value") over it, reads the files of secrets and validates the
// result. The error is Problems, all there are, unless the file cannot be opened or is no YAML.
func Load(path string, environ []string) (*Config, error) {
	c := Default()
	c.origins = map[string]origin{}
	k := &check{origins: c.origins}
	if path != "" {
		if err := c.readFile(path, k); err != nil {
			return nil, err
		}
	}
	c.readEnv(environ, k)
	c.readSecrets(k)
	c.validate(k)
	if err := k.err(); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *Config) readFile(path string, k *check) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read configuration: %w", err)
	}
	name := filepath.Base(path)
	root, err := parse(text)
	if err != nil {
		return yamlProblem(name, err)
	}
	if root == nil {
		return nil
	}
	d := &decoder{check: k, at: func(n *yaml.Node) origin { return origin{name, n.Line} }}
	d.section(root, reflect.ValueOf(c).Elem(), "")
	return nil
}

// parse returns the root of a YAML text, nil if there is nothing in it.
func parse(text []byte) (*yaml.Node, error) {
	l, err := yaml.NewLoader(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	var doc, more yaml.Node
	if err := l.Load(&doc); err == io.EOF {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	if err := l.Load(&more); err == nil {
		return nil, errors.New("several documents in one file")
	} else if err != io.EOF {
		return nil, err
	}
	if len(doc.Content) == 0 {
		return nil, nil
	}
	return doc.Content[0], nil
}

func yamlProblem(name string, err error) error {
	p := Problem{Where: name, What: "not YAML: " + err.Error()}
	var le *yaml.LoadError
	if errors.As(err, &le) {
		p.What = "not YAML: " + le.Message
		if p.line = le.Mark.Line; p.line > 0 {
			p.Where = origin{name, p.line}.String()
		}
	}
	return Problems{p}
}
