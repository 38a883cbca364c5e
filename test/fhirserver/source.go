package fhirserver

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// source is the text of one resource with holes for what differs between its
// copies: ids, the time and the server's base. So 2,000 patients made of ten
// take the memory of ten.
type source struct {
	params  *typeParams
	number  int32 // of its own id
	text    []byte
	holes   []hole
	given   string // versionId the data came with, "" for none
	updated int64  // lastUpdated the data came with, Unix ms; 0 for none
	links   []link // references the index holds
}

type hole struct {
	at     int32
	kind   holeKind
	number int32 // idHole: of which id
}

type holeKind uint8

const (
	noHole holeKind = iota
	idHole
	timeHole
	baseHole
)

// link is one reference of an indexed parameter.
type link struct {
	param  *param
	typ    string
	id     string
	number int32 // of the id when it differs between copies, else -1
}

// edit replaces a part of the raw text by before, a hole and after.
type edit struct {
	span
	before string
	hole   hole
	after  string
}

// head is what the server must know of a resource.
type head struct {
	typ, id  string
	idAt     span // content of the id
	meta     span // value of meta; from 0 when there is none
	version  span
	updated  span
	metaBare bool // meta is {}
}

// readHead reads compact JSON; errors name no content.
func readHead(raw []byte) (head, error) {
	var h head
	if len(raw) == 0 || raw[0] != '{' {
		return h, errors.New("not a JSON object")
	}
	eachMember(raw, 0, func(name []byte, v span) bool {
		switch string(name) {
		case "resourceType":
			h.typ = text(raw[v.from:v.to])
		case "id":
			h.id, h.idAt = text(raw[v.from:v.to]), span{v.from + 1, v.to - 1}
		case "meta":
			h.meta, h.metaBare = v, v.to-v.from == 2
			eachMember(raw, v.from, func(name []byte, v span) bool {
				switch string(name) {
				case "versionId":
					h.version = v
				case "lastUpdated":
					h.updated = v
				}
				return true
			})
		}
		return true
	})
	switch {
	case paramsOf(h.typ) == nil:
		return h, errors.New("not a resource of a known type")
	case h.id != "" && !validID(h.id):
		return h, errors.New("not a valid id")
	}
	return h, nil
}

// stamp gives the edits that put versionId and a hole for lastUpdated in. With
// keep, values that are there stay.
func (h head) stamp(versionID string, keep bool) []edit {
	var edits []edit
	quoted := strconv.Quote(versionID)
	add := ""
	if h.version.from == 0 {
		add = `"versionId":` + quoted
	} else if !keep {
		edits = append(edits, edit{span: h.version, before: quoted})
	}
	addTime := h.updated.from == 0
	if !addTime && !keep {
		edits = append(edits, edit{span: h.updated, before: `"`, hole: hole{kind: timeHole}, after: `"`})
	}
	if add == "" && !addTime {
		return edits
	}
	e := edit{before: add}
	if addTime {
		if add != "" {
			e.before += ","
		}
		e.before, e.hole.kind, e.after = e.before+`"lastUpdated":"`, timeHole, `"`
	}
	if h.meta.from == 0 {
		e.span = span{h.idAt.to + 1, h.idAt.to + 1}
		e.before, e.after = `,"meta":{`+e.before, e.after+"}"
	} else {
		e.span = span{h.meta.from + 1, h.meta.from + 1}
		if !h.metaBare {
			e.after += ","
		}
	}
	return append(edits, e)
}

var placeholder = []byte(basePlaceholder)

// newSource cuts raw at the edits; those that overlap an earlier one are dropped.
func newSource(h head, raw []byte, edits []edit) *source {
	s := &source{params: paramsOf(h.typ), number: -1}
	for i := 0; ; {
		at := bytes.Index(raw[i:], placeholder)
		if at < 0 {
			break
		}
		i += at + len(placeholder)
		edits = append(edits, edit{span: span{i - len(placeholder), i}, hole: hole{kind: baseHole}})
	}
	slices.SortStableFunc(edits, func(a, b edit) int { return cmp.Compare(a.from, b.from) })
	done := 0
	s.text = make([]byte, 0, len(raw)+64)
	for _, e := range edits {
		if e.from < done {
			continue
		}
		s.text = append(append(s.text, raw[done:e.from]...), e.before...)
		if e.hole.kind != noHole {
			e.hole.at = int32(len(s.text))
			s.holes = append(s.holes, e.hole)
		}
		s.text = append(s.text, e.after...)
		done = e.to
	}
	s.text = slices.Clip(append(s.text, raw[done:]...))
	return s
}

// keepGiven takes over the version and time the data came with.
func (s *source) keepGiven(h head, raw []byte) error {
	if h.version.from > 0 {
		s.given = text(raw[h.version.from:h.version.to])
	}
	if h.updated.from > 0 {
		t, err := time.Parse(time.RFC3339Nano, text(raw[h.updated.from:h.updated.to]))
		if err != nil {
			return errors.New("meta.lastUpdated is not an instant")
		}
		s.updated = t.UnixMilli()
	}
	return nil
}

// compact checks JSON and gives it without insignificant white space.
func compact(raw []byte) ([]byte, error) {
	var b bytes.Buffer
	b.Grow(len(raw))
	if err := json.Compact(&b, raw); err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	return b.Bytes(), nil
}

// firstNumber is the number of the version the data came with, 1 when that is none.
func (s *source) firstNumber() int32 {
	if n, err := strconv.ParseInt(s.given, 10, 32); err == nil && n > 0 {
		return int32(n)
	}
	return 1
}
