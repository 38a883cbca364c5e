package fhir_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strconv"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"sluice/fhir"
)

// page is all that a BundleReader says of a body.
type page struct {
	entries []fhir.Entry
	bundle  fhir.Bundle
	err     error
}

func readPage(r io.Reader, o fhir.BundleOptions) (p page) {
	br := fhir.NewBundleReader(r, o)
	for {
		e, err := br.Next()
		if err != nil {
			p.bundle, p.err = br.Bundle(), err
			return p
		}
		e.Resource = bytes.Clone(e.Resource)
		p.entries = append(p.entries, e)
	}
}

// same compares all but the words of errors.
func (p page) same(q page) bool {
	total := func(n *int64) int64 {
		if n == nil {
			return -1
		}
		return *n
	}
	return (p.err == io.EOF) == (q.err == io.EOF) && p.bundle.Type == q.bundle.Type && total(p.bundle.Total) == total(q.bundle.Total) &&
		slices.Equal(p.bundle.Links, q.bundle.Links) && slices.EqualFunc(p.entries, q.entries, func(a, b fhir.Entry) bool {
		return a.FullURL == b.FullURL && a.Mode == b.Mode && bytes.Equal(a.Resource, b.Resource) && (a.Err == nil) == (b.Err == nil)
	})
}

// FuzzBundleReader holds the scanner against encoding/json: of a well-formed body both see the same entries, byte for byte, the same
// links and total. However the bytes arrive, the page is the same, and a cut page is never a whole one.
func FuzzBundleReader(f *testing.F) {
	for _, seed := range []string{
		bundle, "\xEF\xBB\xBF" + bundle, `{}`, `[]`, `null`, ``, ` {"resourceType" : "Bundle" , "entry" : [ { "resource" : { } } , {} ] } `,
		`{"entry":[{"resource":{"a":"\\\"}]"},"search":{"mode":"incl\u0075de"}}],"resourceType":"Bundle","total":2e0}`,
		`{"resourceType":"Bundle","entry":null,"link":[{"relation":"next","url":"\ud83d\ude00"}],"total":-1}`,
		`{"resourceType":"Bundle","entry":[{"resource":1,"resource":2}]}`, `{"resourceType":"Bundle","\u0065ntry":[{"resource":null,"fullUrl":3}],"total":"3"}`,
		`{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"login"}]}`, `{"resourceType":"Bundle","resourceType":"Patient"}`,
		`{"resourceType":"Bundle","entry":[{"resource":{"a":[}]}}]}`, `{"resourceType":"Bundle","entry":{}}`, `{"resourceType":"Bundle","entry":[1]}`,
	} {
		f.Add([]byte(seed), uint16(7), uint16(20))
	}
	f.Fuzz(func(t *testing.T, body []byte, cut, limit uint16) {
		got := readPage(bytes.NewReader(body), fhir.BundleOptions{})
		if got.err == nil {
			t.Fatal("ended without an error")
		}
		for name, r := range map[string]io.Reader{
			"byte by byte": iotest.OneByteReader(bytes.NewReader(body)), "by halves": iotest.HalfReader(bytes.NewReader(body)),
			"with the error": iotest.DataErrReader(bytes.NewReader(body)),
		} {
			if other := readPage(r, fhir.BundleOptions{}); !other.same(got) {
				t.Errorf("%s: got %+v, want %+v", name, other, got)
			}
		}

		text := bytes.TrimPrefix(body, []byte("\xEF\xBB\xBF"))
		if json.Valid(text) && len(body) <= 4<<10 { // longer words are refused
			if want := pageOf(text); !got.same(want) {
				t.Errorf("got %+v, encoding/json says %+v", got, want)
			}
		}
		if got.err != io.EOF {
			return
		}
		if !balanced(text) { // what stands inside of values is not the reader's business, but where they end is
			t.Errorf("brackets do not match, and no error: %q", body)
		}
		whole := len(bytes.TrimRight(body, " \t\r\n"))
		if short := readPage(bytes.NewReader(body[:int(cut)%whole]), fhir.BundleOptions{}); short.err == io.EOF {
			t.Errorf("cut after %d of %d bytes: no error", int(cut)%whole, whole)
		}

		// A limit makes errors of what is over it and changes nothing else.
		most := int64(limit) + 1
		limited := readPage(bytes.NewReader(body), fhir.BundleOptions{MaxResource: most})
		want := got
		want.entries = slices.Clone(got.entries)
		for i, e := range want.entries {
			if int64(len(e.Resource)) > most {
				want.entries[i].Resource, want.entries[i].Err = nil, errors.New("too large")
			} else if e.Resource == nil && most < int64(len("null")) {
				return // whether it was null or absent cannot be seen any more
			}
		}
		if !limited.same(want) {
			t.Errorf("limit %d: got %+v, want %+v", most, limited, want)
		}
	})
}

// pageOf reads a valid body by means of encoding/json alone.
func pageOf(body []byte) (p page) {
	bad := errors.New("no page")
	members, ok := membersOf(body)
	if !ok {
		return page{err: bad}
	}
	typ := ""
	for _, m := range members {
		ok := true
		switch m.name {
		case "resourceType":
			if typ = wordOf(m.value); typ != "Bundle" && typ != "OperationOutcome" {
				p.err = bad
				return p
			}
		case "type":
			p.bundle.Type = wordOf(m.value)
		case "total":
			p.bundle.Total = nil
			if n, err := strconv.ParseInt(string(m.value), 10, 64); err == nil && n >= 0 {
				p.bundle.Total = &n
			}
		case "link":
			ok = elementsOf(m.value, func(members []member) bool {
				var l fhir.Link
				for _, m := range members {
					switch m.name {
					case "relation":
						l.Relation = wordOf(m.value)
					case "url":
						l.URL = wordOf(m.value)
					}
				}
				p.bundle.Links = append(p.bundle.Links, l)
				return true
			})
		case "entry":
			ok = elementsOf(m.value, func(members []member) bool {
				e, ok := entryOf(members)
				if ok {
					p.entries = append(p.entries, e)
				}
				return ok
			})
		}
		if !ok {
			p.err = bad
			return p
		}
	}
	if p.err = io.EOF; typ != "Bundle" {
		p.err = bad
	}
	return p
}

func entryOf(members []member) (e fhir.Entry, ok bool) {
	resources := 0
	for _, m := range members {
		switch m.name {
		case "fullUrl":
			e.FullURL = wordOf(m.value)
		case "search":
			search, _ := membersOf(m.value)
			for _, s := range search {
				if s.name == "mode" {
					e.Mode = wordOf(s.value)
				}
			}
		case "resource":
			if resources++; resources > 1 {
				return e, false
			}
			if string(m.value) != "null" {
				e.Resource = m.value
			}
		}
	}
	return e, true
}

// member is one member of a JSON object, in order and with its exact name: structs of encoding/json know neither.
type member struct {
	name  string
	value json.RawMessage
}

func membersOf(raw []byte) (members []member, ok bool) {
	d := json.NewDecoder(bytes.NewReader(raw))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, false
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, false
		}
		m := member{name: name.(string)}
		if d.Decode(&m.value) != nil {
			return nil, false
		}
		members = append(members, m)
	}
	return members, true
}

// elementsOf calls f for each element of an array of objects; null is an empty one.
func elementsOf(raw []byte, f func([]member) bool) bool {
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		return false
	}
	for _, element := range list {
		members, ok := membersOf(element)
		if !ok || !f(members) {
			return false
		}
	}
	return true
}

// wordOf is what a JSON string says, "" for other values.
func wordOf(raw []byte) string {
	var s string
	if len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

// FuzzAppendLine holds a line against encoding/json: what passes is what json.Compact makes of it; what json.Valid refuses breaks the
// page; and of valid JSON exactly those resources are refused of which the reasons can be seen by other means.
func FuzzAppendLine(f *testing.F) {
	for _, seed := range []string{
		bundle, `{}`, " { \"a\" : [ 1.10 , -0 , 1e400 , true ] ,\r\n\t\"b\":null } ", `{"a":1,"a":2}`, `{"a":1,"\u0061":2}`, `{"a":{"b":1},"b":{"b":1}}`,
		"{\"a\":\"\xff\"}", `{"a":"\ud800"}`, `{"a":"\ud83d\ude00"}`, `{"a":"\udc00\ud800"}`, `{"a":"\\ud800"}`, "{\"a\":\"\u2028<>&\x7f\"}", `[]`, `1`, ``,
		`{"a":1,}`, `{"a":01}`, "{\"a\":\"\n\"}", `{"a":"\x"}`, `{} {}`, `{"a":"\/\u002f"}`, `{"":{"":""}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Add([]byte(nest(200)))
	f.Add([]byte(nest(201)))
	f.Fuzz(func(t *testing.T, raw []byte) {
		before := []byte("before")
		got, err := fhir.AppendLine(bytes.Clone(before), raw)
		if err != nil && !bytes.Equal(got, before) {
			t.Fatalf("dst is %q after an error", got)
		}
		refused := errors.As(err, new(*fhir.ResourceError))
		broken := err != nil && !refused
		deepest := depthOf(raw)
		switch {
		case deepest >= 9_999: // beyond what the parsers follow: refused, whatever else it is
			if err == nil {
				t.Errorf("%d levels: no error", deepest)
			}
			return
		case broken != !json.Valid(raw):
			t.Fatalf("got %v, json.Valid says %t: %q", err, json.Valid(raw), raw)
		case broken:
			return
		}
		members, object := membersOf(raw)
		want := !object || !utf8.Valid(raw) || deepest > 200 || twice(members) || halfPair(raw)
		if refused != want {
			t.Fatalf("got %v, want refusal %t: %q", err, want, raw)
		}
		if refused {
			return
		}
		var compact bytes.Buffer
		if err := json.Compact(&compact, raw); err != nil {
			t.Fatal(err)
		}
		if line := string(got[len(before):]); line != compact.String()+"\n" {
			t.Errorf("got %q, json.Compact gives %q", line, compact.String())
		}
		if bytes.ContainsAny(got[:len(got)-1], "\r\n") {
			t.Errorf("a line end inside the line: %q", got)
		}
	})
}

func nest(levels int) string {
	var b bytes.Buffer
	for range levels - 1 {
		b.WriteString(`{"a":`)
	}
	b.WriteString("{}")
	for range levels - 1 {
		b.WriteByte('}')
	}
	return b.String()
}

// twice tells whether an object in here, at any depth, has a name twice.
func twice(members []member) bool {
	names := map[string]bool{}
	for _, m := range members {
		if names[m.name] || twiceIn(m.value) {
			return true
		}
		names[m.name] = true
	}
	return false
}

func twiceIn(raw []byte) bool {
	switch raw[0] {
	case '{':
		members, _ := membersOf(raw)
		return twice(members)
	case '[':
		var list []json.RawMessage
		return json.Unmarshal(raw, &list) == nil && slices.ContainsFunc(list, func(element json.RawMessage) bool { return twiceIn(element) })
	}
	return false
}

// halfPair tells whether a valid text has an escape sequence that is half a surrogate pair.
func halfPair(raw []byte) bool {
	high := false // a first half stands just before
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' {
			if high {
				return true
			}
			continue
		}
		i++
		code := uint64(0)
		if raw[i] == 'u' {
			code, _ = strconv.ParseUint(string(raw[i+1:i+5]), 16, 32)
			i += 4
		}
		low := code >= 0xDC00 && code < 0xE000
		if high != low {
			return true
		}
		high = code >= 0xD800 && code < 0xDC00
	}
	return high
}

// balanced tells whether each bracket outside of strings is closed by its own kind.
func balanced(raw []byte) bool {
	var open []byte
	inString := false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			open = append(open, c+2) // the closing bracket of both kinds
		case c == '}' || c == ']':
			if len(open) == 0 || open[len(open)-1] != c {
				return false
			}
			open = open[:len(open)-1]
		}
	}
	return len(open) == 0 && !inString
}

// depthOf counts brackets outside of strings.
func depthOf(raw []byte) (deepest int) {
	now, inString := 0, false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			now++
			deepest = max(deepest, now)
		case c == '}' || c == ']':
			now--
		}
	}
	return deepest
}
