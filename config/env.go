package config

import (
	"reflect"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v4"
)

// readEnv lays variables over the values of the file. Lists of words are comma separated; lists of keys and values, and names with values, are written
// as in YAML on one line. An empty variable is as none.
func (c *Config) readEnv(environ []string, k *check) {
	byName := map[string]field{}
	for f := range fields(reflect.ValueOf(c).Elem(), "") {
		byName[f.env()] = f
	}
	for _, entry := range environ {
		name, text, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, "SLUICE_") || text == "" {
			continue
		}
		f, known := byName[name]
		switch {
		case known:
			c.setEnv(name, text, f, k)
		case looksLikeOurs(name):
			k.add(origin{name: name}, "", "unknown variable: there is no such key")
		}
	}
}

func (c *Config) setEnv(name, text string, f field, k *check) {
	from := origin{name: name}
	c.origins[f.path] = from
	delete(k.unread, f.path)
	d := &decoder{check: k, at: func(*yaml.Node) origin { return from }}
	switch t := f.value.Type(); {
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.String:
		f.value.Set(reflect.ValueOf(words(text)))
	case t.Kind() == reflect.Slice || t.Kind() == reflect.Map:
		root, err := parse([]byte(text))
		if err != nil || root == nil {
			k.cannotRead(from, f.path, "cannot be read as YAML on one line")
			return
		}
		d.value(root, f.value, f.path)
	default:
		d.value(&yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text}, f.value, f.path)
	}
}

func words(text string) []string {
	var out []string
	for w := range strings.SplitSeq(text, ",") {
		if w = strings.TrimSpace(w); w != "" {
			out = append(out, w)
		}
	}
	return out
}

// kubernetes makes variables of its own for each Service, after its name: SLUICE_SERVER_PORT_80_TCP, SLUICE_SERVER_SERVICE_HOST.
var kubernetes = regexp.MustCompile(`_SERVICE_(HOST|PORT)(_|$)|_PORT(_[0-9]+_(TCP|UDP|SCTP)(_|$)|$)`)

// looksLikeOurs says if a variable is meant for a section of the configuration, and so is misspelt.
func looksLikeOurs(name string) bool {
	if kubernetes.MatchString(name) {
		return false
	}
	t := reflect.TypeFor[Config]()
	for i := range t.NumField() {
		key := t.Field(i).Tag.Get("yaml")
		if key != "" && strings.HasPrefix(name, "SLUICE_"+strings.ToUpper(key)+"_") {
			return true
		}
	}
	return false
}
