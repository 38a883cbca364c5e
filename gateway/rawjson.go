package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// object is a JSON object that can be edited without touching what is not edited: unknown elements, their order and the digits of
// numbers stay as they were.
type object []member

type member struct {
	name  string
	value jsontext.Value
}

var errJSON = errors.New("broken JSON, or not the kind of value that is wanted")

func parseObject(raw []byte) (object, error) {
	d := jsontext.NewDecoder(bytes.NewReader(raw))
	if d.PeekKind() != '{' {
		return nil, errJSON
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, errJSON
	}
	var o object
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return nil, errJSON
		}
		n := name.String()
		value, err := d.ReadValue()
		if err != nil {
			return nil, errJSON
		}
		o = append(o, member{n, value.Clone()})
	}
	return o, nil
}

func parseArray(raw []byte) ([]jsontext.Value, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	d := jsontext.NewDecoder(bytes.NewReader(raw))
	if d.PeekKind() != '[' {
		return nil, errJSON
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, errJSON
	}
	var list []jsontext.Value
	for d.PeekKind() != ']' {
		value, err := d.ReadValue()
		if err != nil {
			return nil, errJSON
		}
		list = append(list, value.Clone())
	}
	return list, nil
}

// get returns the raw value of a member, nil when there is none.
func (o object) get(name string) jsontext.Value {
	for _, m := range o {
		if m.name == name {
			return m.value
		}
	}
	return nil
}

// text returns the value of a string member, "" when there is none.
func (o object) text(name string) string {
	var s string
	if json.Unmarshal(o.get(name), &s) != nil {
		return ""
	}
	return s
}

// set replaces a member where it stands, or adds it at the end. An empty list removes it: FHIR has no empty arrays.
func (o *object) set(name string, value any) {
	raw, err := json.Marshal(value)
	if err != nil {
		panic("gateway: a plain value cannot be written as JSON: " + err.Error())
	}
	if string(raw) == "[]" || string(raw) == "null" {
		o.remove(name)
		return
	}
	for i := range *o {
		if (*o)[i].name == name {
			(*o)[i].value = raw
			return
		}
	}
	*o = append(*o, member{name, raw})
}

func (o *object) remove(names ...string) {
	*o = slices.DeleteFunc(*o, func(m member) bool { return slices.Contains(names, m.name) })
}

// MarshalJSON writes the members in their order.
func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := json.Marshal(m.name)
		if err != nil {
			return nil, err
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(m.value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}
