package config

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// decoder puts YAML nodes into the struct and notes what does not fit, and where each value stood.
type decoder struct {
	*check
	at func(*yaml.Node) origin // names the place of a node
}

// section puts a mapping into a struct.
func (d *decoder) section(n *yaml.Node, v reflect.Value, path string) {
	n = resolve(n)
	if isNull(n) {
		return // "server:" with nothing below
	}
	if n.Kind != yaml.MappingNode {
		d.wrong(n, path, "keys and values")
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		at := join(path, key.Value)
		if seen[key.Value] {
			d.cannotRead(d.at(key), at, "given twice")
			continue
		}
		seen[key.Value] = true
		field := byKey(v, key.Value)
		if !field.IsValid() || key.Value == "" {
			d.add(d.at(key), at, "unknown key"+d.guess(v, key.Value))
			continue
		}
		if isSection(field.Type()) {
			d.section(value, field, at)
			continue
		}
		d.origins[at] = d.at(key)
		d.value(value, field, at)
	}
}

// value puts a scalar, a list or a map into a field.
func (d *decoder) value(n *yaml.Node, v reflect.Value, path string) {
	n = resolve(n)
	switch {
	case isSection(v.Type()):
		d.section(n, v, path)
	case v.Kind() == reflect.Slice:
		d.list(n, v, path)
	case v.Kind() == reflect.Map:
		d.byName(n, v, path)
	case n.Kind != yaml.ScalarNode:
		d.wrong(n, path, expected(v))
	default:
		text := n.Value
		if isNull(n) {
			text = ""
		}
		if err := setText(v, text); err != nil {
			found := quoted(text)
			if isSecret(v.Type()) {
				found = hidden
			}
			d.cannotRead(d.at(n), path, "found "+found+", expected "+err.Error())
		}
	}
}

func (d *decoder) list(n *yaml.Node, v reflect.Value, path string) {
	if isNull(n) {
		v.SetZero()
		return
	}
	if n.Kind != yaml.SequenceNode {
		d.wrong(n, path, expected(v))
		return
	}
	out := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, item := range n.Content {
		d.value(item, out.Index(i), path)
	}
	v.Set(out)
}

func (d *decoder) byName(n *yaml.Node, v reflect.Value, path string) {
	if isNull(n) {
		v.SetZero()
		return
	}
	if n.Kind != yaml.MappingNode {
		d.wrong(n, path, expected(v))
		return
	}
	out := reflect.MakeMap(v.Type())
	for i := 0; i+1 < len(n.Content); i += 2 {
		item := reflect.New(v.Type().Elem()).Elem()
		d.value(n.Content[i+1], item, path)
		name := reflect.ValueOf(n.Content[i].Value)
		if out.MapIndex(name).IsValid() {
			d.cannotRead(d.at(n.Content[i]), path, quoted(n.Content[i].Value)+" is given twice")
			continue
		}
		out.SetMapIndex(name, item)
	}
	v.Set(out)
}

// wrong notes a node of another form than the key wants. It does not show what is in it.
func (d *decoder) wrong(n *yaml.Node, path, want string) {
	found := "a value"
	switch {
	case n.Kind == yaml.SequenceNode:
		found = "a list"
	case n.Kind == yaml.MappingNode:
		found = "keys and values"
	case isNull(n):
		found = "nothing"
	}
	d.cannotRead(d.at(n), path, "found "+found+", expected "+want)
}

// guess returns the known key that the writer may have meant.
func (d *decoder) guess(section reflect.Value, key string) string {
	var keys []string
	for i := range section.NumField() {
		if k := section.Type().Field(i).Tag.Get("yaml"); k != "" {
			keys = append(keys, k)
		}
	}
	nearest := slices.MinFunc(keys, func(a, b string) int { return distance(key, a) - distance(key, b) })
	if distance(key, nearest) <= 1+len(key)/4 {
		return "; did you mean " + nearest + "?"
	}
	slices.Sort(keys)
	return "; known here: " + strings.Join(keys, ", ")
}

// distance counts the letters to insert, remove or replace (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// setText puts the text of a scalar into a field. The error says what was expected.
func setText(v reflect.Value, text string) error {
	if u, ok := v.Addr().Interface().(interface{ UnmarshalText([]byte) error }); ok {
		return u.UnmarshalText([]byte(text))
	}
	if v.Type() == durationType {
		d, err := parseDuration(text)
		v.SetInt(int64(d))
		return err
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
		return nil
	case reflect.Bool:
		if text != "true" && text != "false" {
			return errors.New(expected(v))
		}
		v.SetBool(text == "true")
		return nil
	case reflect.Int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return errors.New(expected(v))
		}
		v.SetInt(int64(n))
		return nil
	case reflect.Float64:
		f, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			return errors.New(expected(v))
		}
		v.SetFloat(f)
		return nil
	}
	panic(fmt.Sprintf("config: no way to read a %s", v.Type()))
}

// expected says in words what a field takes.
func expected(v reflect.Value) string {
	if v.Type() == durationType {
		_, err := parseDuration("")
		return err.Error()
	}
	switch v.Interface().(type) {
	case Size:
		return new(Size).UnmarshalText(nil).Error()
	case Percent:
		return new(Percent).UnmarshalText(nil).Error()
	}
	switch v.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		return "a whole number"
	case reflect.Float64:
		return "a number"
	case reflect.Slice:
		return "a list"
	case reflect.Map:
		return "names and values"
	}
	return "a text"
}

func resolve(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
