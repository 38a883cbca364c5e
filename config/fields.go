package config

import (
	"encoding"
	"iter"
	"reflect"
	"strings"
	"time"
)

// field is one key of the configuration that holds a value, not a section.
type field struct {
	path  string // upstream.auth.client_id
	value reflect.Value
	file  reflect.Value // of a secret: the field of its …_file twin
}

// env returns the variable that sets the field.
func (f field) env() string {
	return "SLUICE_" + strings.ToUpper(strings.ReplaceAll(f.path, ".", "_"))
}

// fields yields all keys of a section, in order, with those of its sections within.
func fields(section reflect.Value, prefix string) iter.Seq[field] {
	return func(yield func(field) bool) { walk(section, prefix, yield) }
}

func walk(section reflect.Value, prefix string, yield func(field) bool) bool {
	for i := range section.NumField() {
		key := section.Type().Field(i).Tag.Get("yaml")
		if key == "" {
			continue
		}
		v := section.Field(i)
		if isSection(v.Type()) {
			if !walk(v, prefix+key+".", yield) {
				return false
			}
			continue
		}
		f := field{path: prefix + key, value: v}
		if isSecret(v.Type()) {
			f.file = byKey(section, key+"_file")
		}
		if !yield(f) {
			return false
		}
	}
	return true
}

// byKey returns the field of a section with that key; the zero Value if there is none.
func byKey(section reflect.Value, key string) reflect.Value {
	for i := range section.NumField() {
		if section.Type().Field(i).Tag.Get("yaml") == key {
			return section.Field(i)
		}
	}
	return reflect.Value{}
}

var (
	textType     = reflect.TypeFor[encoding.TextUnmarshaler]()
	durationType = reflect.TypeFor[time.Duration]()
	secretType   = reflect.TypeFor[Secret]()
	secretURL    = reflect.TypeFor[SecretURL]()
)

// isSection says if a type holds keys, rather than being a value.
func isSection(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && !reflect.PointerTo(t).Implements(textType)
}

// isSecret says if a type is a secret, or secrets by name.
func isSecret(t reflect.Type) bool {
	return t == secretType || t == secretURL || (t.Kind() == reflect.Map && t.Elem() == secretType)
}
