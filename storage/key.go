package storage

import "strings"

const (
	maxKey     = 1024 // the limit of the clouds
	maxSegment = 255  // the limit of file systems
)

// ValidKey reports whether key may name an object: segments of [A-Za-z0-9._-], joined by "/", none of them "." or "..", at most
// 255 bytes each and 1,024 in all. Every backend refuses other keys with ErrInvalidKey.
func ValidKey(key string) bool {
	if len(key) > maxKey {
		return false
	}
	for segment := range strings.SplitSeq(key, "/") {
		if segment == "" || segment == "." || segment == ".." || len(segment) > maxSegment || !validChars(segment) {
			return false
		}
	}
	return true
}

// ValidPrefix reports whether prefix may be listed: empty, or the beginning of a valid key, cut anywhere.
func ValidPrefix(prefix string) bool {
	dir, rest := SplitPrefix(prefix)
	return len(prefix) <= maxKey && (dir == "" || ValidKey(strings.TrimSuffix(dir, "/"))) && validChars(rest)
}

// ValidDir reports whether prefix may be given to Dirs: empty, or a valid key followed by "/".
func ValidDir(prefix string) bool {
	return ValidPrefix(prefix) && (prefix == "" || strings.HasSuffix(prefix, "/"))
}

// SplitPrefix cuts a prefix behind its last "/": the whole segments and the beginning of the next one.
func SplitPrefix(prefix string) (dir, rest string) {
	i := strings.LastIndexByte(prefix, '/') + 1
	return prefix[:i], prefix[i:]
}

func validChars(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '_', c == '-':
		default:
			return false
		}
	}
	return true
}
