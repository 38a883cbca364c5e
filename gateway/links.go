package gateway

import (
	"encoding/json"
	"io"
	"slices"
	"strings"
)

// maxLink bounds the value of one link; a longer one stays as it is.
const maxLink = 16 << 10

// maxKey is more than the longest member name that matters here.
const maxKey = 12

// linkDepth is how many levels of JSON can hold a link: Bundle, link or entry, its item, link or response, its item.
const linkDepth = 5

// rewritten are the members of a Bundle whose values are addresses of the server itself, by their last name. No other resource has them.
var rewritten = map[string][]string{
	"url": {"link.url", "entry.link.url"}, "fullUrl": {"entry.fullUrl"}, "location": {"entry.response.location"},
}

// linkRewriter copies a JSON body byte for byte and replaces the upstream's base in the links of a Bundle. It holds one link at most,
// looks into no resource (a base in a narrative stays), and changes nothing in JSON it does not understand.
type linkRewriter struct {
	src  io.ReadCloser
	from []string
	to   string

	out   []byte // scanned
	given int    // of out
	err   error  // of src, given out after out

	depth  int
	levels [linkDepth + 1]level // of the first levels, from 1
	text   []byte               // the string being read, without its quotes
	state  stringState
	escape bool
	buf    [16 << 10]byte
}

type level struct {
	object bool
	value  bool // behind a colon
	name   string
}

type stringState int

const (
	outside stringState = iota
	inName              // member name of one of the first levels: collected and given out
	inLink              // value of a link: collected and held back
	inOther             // given out
)

func newLinkRewriter(src io.ReadCloser, from []string, to string) *linkRewriter {
	return &linkRewriter{src: src, from: from, to: to}
}

func (l *linkRewriter) Close() error { return l.src.Close() }

func (l *linkRewriter) Read(p []byte) (int, error) {
	for l.given == len(l.out) {
		if l.err != nil {
			return 0, l.err
		}
		n, err := l.src.Read(l.buf[:])
		l.out, l.given = l.out[:0], 0
		for _, c := range l.buf[:n] {
			l.scan(c)
		}
		if err != nil {
			l.err = err
			l.release() // a link that was never closed
		}
	}
	n := copy(p, l.out[l.given:])
	l.given += n
	return n, nil
}

func (l *linkRewriter) scan(c byte) {
	if l.state != outside {
		l.inString(c)
		return
	}
	l.out = append(l.out, c)
	top := l.top()
	switch c {
	case '"':
		l.begin(top)
	case '{', '[':
		l.depth++
		if top := l.top(); top != nil {
			*top = level{object: c == '{'}
		}
	case '}', ']':
		l.depth = max(0, l.depth-1)
	case ':':
		if top != nil {
			top.value = true
		}
	case ',':
		if top != nil {
			top.value = false
		}
	}
}

// top is the level that the scanner is in; nil: too deep for a link, or outside.
func (l *linkRewriter) top() *level {
	if l.depth < 1 || l.depth > linkDepth {
		return nil
	}
	return &l.levels[l.depth]
}

func (l *linkRewriter) begin(top *level) {
	l.text = l.text[:0]
	switch {
	case top != nil && top.object && !top.value:
		l.state = inName
	case top != nil && top.object && rewritten[top.name] != nil && slices.Contains(rewritten[top.name], l.where()):
		l.state = inLink
	default:
		l.state = inOther
	}
}

// where names the member that the scanner is at: the names of all objects down to it.
func (l *linkRewriter) where() string {
	var names []string
	for i := 1; i <= l.depth; i++ {
		if l.levels[i].object {
			names = append(names, l.levels[i].name)
		}
	}
	return strings.Join(names, ".")
}

func (l *linkRewriter) inString(c byte) {
	if c == '"' && !l.escape {
		l.end()
		return
	}
	l.escape = c == '\\' && !l.escape
	if l.state == inLink {
		if l.text = append(l.text, c); len(l.text) > maxLink {
			l.release()
		}
		return
	}
	l.out = append(l.out, c)
	if l.state == inName && len(l.text) <= maxKey {
		l.text = append(l.text, c)
	}
}

// end closes the string.
func (l *linkRewriter) end() {
	switch l.state {
	case inName:
		l.levels[l.depth].name = string(l.text)
	case inLink:
		l.out = append(l.out, l.replace()...)
	}
	l.state, l.text = outside, l.text[:0]
	l.out = append(l.out, '"')
}

// replace gives the link as it goes out.
func (l *linkRewriter) replace() []byte {
	link := string(l.text)
	if !strings.Contains(link, `\`) {
		if public, ok := rebase(link, l.from, l.to); ok {
			return []byte(public)
		}
		return l.text
	}
	if json.Unmarshal([]byte(`"`+link+`"`), &link) != nil {
		return l.text
	}
	public, ok := rebase(link, l.from, l.to)
	if !ok {
		return l.text
	}
	quoted, err := json.Marshal(public)
	if err != nil {
		return l.text
	}
	return quoted[1 : len(quoted)-1]
}

// release gives up a link that is too long or never ends: it goes out as it came.
func (l *linkRewriter) release() {
	if l.state == inLink {
		l.out = append(l.out, l.text...)
		l.state, l.text = inOther, l.text[:0]
	}
}
