package fhir

import "encoding/json"

// name reads a member's name and the colon after it. A name longer than any we know is "".
func (b *BundleReader) name() (string, error) {
	if c, err := b.s.peek(); err != nil {
		return "", err
	} else if c != '"' {
		return "", b.s.fail("expected a name")
	}
	name, err := b.quoted(maxName, true)
	if err != nil {
		return "", err
	}
	return name, b.s.expect(':')
}

// string reads a string of at most max bytes; another value is passed over and gives "".
func (b *BundleReader) string(max int64) (string, error) {
	c, err := b.s.peek()
	if err != nil {
		return "", err
	}
	if c != '"' {
		return "", b.s.value(nil)
	}
	return b.quoted(max, false)
}

// quoted reads the string that comes next. One above max is "" where cut is set, and an error otherwise.
func (b *BundleReader) quoted(max int64, cut bool) (string, error) {
	b.word = span{b: b.word.b[:0], max: max}
	if err := b.s.value(&b.word); err != nil {
		return "", err
	}
	switch {
	case b.word.over && cut:
		return "", nil
	case b.word.over:
		return "", b.s.fail("a string is too long")
	}
	return b.say(b.word.b)
}

// say returns what the JSON string raw says.
func (b *BundleReader) say(raw []byte) (string, error) {
	for _, known := range []string{"fullUrl", "resource", "search", "mode", "match", "include"} {
		if string(raw[1:len(raw)-1]) == known {
			return known, nil // the words of every entry, without a copy each time
		}
	}
	for _, c := range raw {
		if c == '\\' || c >= 0x80 || c < ' ' {
			var s string
			if json.Unmarshal(raw, &s) != nil {
				return "", b.s.fail("a string is broken")
			}
			return s, nil
		}
	}
	return string(raw[1 : len(raw)-1]), nil
}

// opens passes over the bracket c that begins the next value, or over null: then found is false. Other values are errors: a page
// whose entries or links cannot be read must not pass for an empty one.
func (b *BundleReader) opens(c byte) (found bool, err error) {
	switch got, err := b.s.peek(); {
	case err != nil:
		return false, err
	case got == 'n':
		b.word = span{b: b.word.b[:0], max: maxWord}
		if err := b.s.value(&b.word); err != nil {
			return false, err
		}
		if string(b.word.b) != "null" {
			return false, b.s.fail("expected null")
		}
		return false, nil
	}
	err = b.s.expect(c)
	return err == nil, err
}

// array calls element before each element of the array that comes next; it must read the element. null counts as empty.
func (b *BundleReader) array(element func() error) error {
	found, err := b.opens('[')
	if !found {
		return err
	}
	for first := true; ; first = false {
		more, err := b.s.more(']', first)
		if !more {
			return err
		}
		if err := element(); err != nil {
			return err
		}
	}
}

// object calls member with each name of the object that comes next; it must read the value.
func (b *BundleReader) object(member func(name string) error) error {
	if err := b.s.expect('{'); err != nil {
		return err
	}
	for first := true; ; first = false {
		more, err := b.s.more('}', first)
		if !more {
			return err
		}
		name, err := b.name()
		if err != nil {
			return err
		}
		if err := member(name); err != nil {
			return err
		}
	}
}

// optional is object for a value that may be of another kind, which is passed over.
func (b *BundleReader) optional(member func(name string) error) error {
	switch c, err := b.s.peek(); {
	case err != nil:
		return err
	case c != '{':
		return b.s.value(nil)
	}
	return b.object(member)
}
