package gateway

import "strings"

// canonicalPath returns the one spelling of a path that matching, authorization and forwarding all see, from the spelling on the
// wire. Anything that two of them could read differently is refused: encoded separators and dots, "..", "//", ";", "\", control
// characters, a second layer of encoding. What is left needs no encoding. "%24export" is "$export", and one slash at the end is
// tolerated (KICK-05, S11, S12).
func canonicalPath(wire string) (string, bool) {
	if !strings.HasPrefix(wire, "/") {
		return "", false
	}
	var b strings.Builder
	for i := 0; i < len(wire); i++ {
		c := wire[i]
		switch {
		case c == '/' || c == '.':
		case c == '%':
			if i+2 >= len(wire) {
				return "", false
			}
			hi, ok1 := unhex(wire[i+1])
			lo, ok2 := unhex(wire[i+2])
			c = hi<<4 | lo
			if !ok1 || !ok2 || !pathChar(c) {
				return "", false
			}
			i += 2
		case !pathChar(c):
			return "", false
		}
		b.WriteByte(c)
	}
	path := b.String()
	if path == "/" {
		return path, true
	}
	path = strings.TrimSuffix(path, "/")
	for segment := range strings.SplitSeq(path[1:], "/") {
		if segment == "" || segment == "." || segment == ".." {
			return "", false
		}
	}
	return path, true
}

// pathChar tells the characters that FHIR paths and our own are made of, but for "/" and ".", which have a meaning of their own and
// are allowed only as they are.
func pathChar(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '~', c == '$':
		return true
	}
	return false
}

func unhex(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}
