package config

import (
	"encoding"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// Print writes the whole configuration as YAML, each value that is no default with the place it came from. Secrets are "•••".
func (c *Config) Print(w io.Writer) error {
	d, err := yaml.NewDumper(w, yaml.WithIndent(2))
	if err != nil {
		return err
	}
	if err := d.Dump(c.sectionNode(reflect.ValueOf(c).Elem(), "")); err != nil {
		return err
	}
	return d.Close()
}

func (c *Config) sectionNode(v reflect.Value, path string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode}
	for i := range v.NumField() {
		key := v.Type().Field(i).Tag.Get("yaml")
		if key == "" {
			continue
		}
		at, f := join(path, key), v.Field(i)
		name, value := &yaml.Node{Kind: yaml.ScalarNode, Value: key}, c.node(f, at)
		if from := c.origins[at].String(); from != "" {
			comment(name, value, "# "+from)
		}
		n.Content = append(n.Content, name, value)
	}
	return n
}

// comment stands behind a scalar, and behind the key of what takes several lines.
func comment(name, value *yaml.Node, text string) {
	if value.Kind == yaml.ScalarNode || value.Style == yaml.FlowStyle {
		value.LineComment = text
		return
	}
	name.LineComment = text
}

func (c *Config) node(v reflect.Value, path string) *yaml.Node {
	switch {
	case isSection(v.Type()):
		return c.sectionNode(v, path)
	case v.Kind() == reflect.Slice:
		n := &yaml.Node{Kind: yaml.SequenceNode}
		if v.Len() == 0 || v.Type().Elem().Kind() == reflect.String {
			n.Style = yaml.FlowStyle
		}
		for i := range v.Len() {
			n.Content = append(n.Content, c.node(v.Index(i), ""))
		}
		return n
	case v.Kind() == reflect.Map:
		n := &yaml.Node{Kind: yaml.MappingNode}
		if v.Len() == 0 {
			n.Style = yaml.FlowStyle
		}
		names := v.MapKeys()
		slices.SortFunc(names, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
		for _, name := range names {
			n.Content = append(n.Content, scalar(name), scalar(v.MapIndex(name)))
		}
		return n
	}
	return scalar(v)
}

// scalar lets the writer decide where quotes are needed for a text to be read as a text.
func scalar(v reflect.Value) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode}
	text, tag := scalarText(v)
	n.Value, n.Tag = text, tag
	if text == "" {
		n.Style = yaml.DoubleQuotedStyle
	}
	return n
}

// scalarText returns the text of a value as it would be written in the file, and its YAML tag.
func scalarText(v reflect.Value) (text, tag string) {
	switch x := v.Interface().(type) {
	case time.Duration:
		return formatDuration(x), "!!str"
	case encoding.TextMarshaler:
		b, err := x.MarshalText()
		if err != nil {
			panic("config: " + err.Error()) // none of our types has one
		}
		return string(b), "!!str"
	}
	switch v.Kind() {
	case reflect.Bool:
		return strconv.FormatBool(v.Bool()), "!!bool"
	case reflect.Int:
		return strconv.FormatInt(v.Int(), 10), "!!int"
	case reflect.Float64:
		return number(v.Float()), "!!float"
	}
	return v.String(), "!!str"
}
