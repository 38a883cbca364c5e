package auth

import (
	"errors"
	"fmt"
	"strings"
)

// Right is a set of the five SMART v2 rights.
type Right uint8

// The rights of SMART v2, in the order they must be written.
const (
	Create Right = 1 << iota
	Read
	Update
	Delete
	Search
)

const (
	readSearch = Read | Search
	writing    = Create | Update | Delete
	allRights  = readSearch | writing
	letters    = "cruds"
)

// Scope is one SMART scope: context/Type.rights?query.
type Scope struct {
	Context string // system, patient or user
	Type    string // a resource type, or "*"
	Rights  Right
	V1      bool   // written in v1 form: .read, .write or .*
	Query   string // what follows "?" in a granular scope; such a scope gives no right here
}

// Scopes is a list of scopes in the order they were asked for or granted.
type Scopes []Scope

// Most that is read from one scope field.
const (
	maxScopeBytes = 8 << 10
	maxScopes     = 512
)

// ParseScopes reads a space-separated scope field, v1 and v2 syntax mixed. Scopes that mean nothing here (openid, launch,
// letters out of order) are left out, as RFC 6749 allows; an error means that the field itself is broken: too long, or with
// characters no scope may have.
func ParseScopes(s string) (Scopes, error) {
	if len(s) > maxScopeBytes {
		return nil, errors.New("scope: too long")
	}
	for i := range len(s) {
		// RFC 6749, section 3.3: scope-token = 1*( %x21 / %x23-5B / %x5D-7E ), separated by spaces.
		if c := s[i]; c < 0x20 || c > 0x7e || c == '"' || c == '\\' {
			return nil, errors.New("scope: character not allowed")
		}
	}
	words := strings.Fields(s)
	if len(words) > maxScopes {
		return nil, errors.New("scope: too many")
	}
	var scopes Scopes
	for _, w := range words {
		if sc, err := ParseScope(w); err == nil {
			scopes = append(scopes, sc)
		}
	}
	return scopes, nil
}

// ParseScope reads one scope and says what is wrong with it.
func ParseScope(s string) (Scope, error) {
	rest, query, granular := strings.Cut(s, "?")
	if granular && query == "" {
		return Scope{}, fmt.Errorf("scope %q: nothing follows the ?", s)
	}
	context, rest, ok := strings.Cut(rest, "/")
	if !ok || context != "system" && context != "patient" && context != "user" {
		return Scope{}, fmt.Errorf("scope %q: want system/Type.rights", s)
	}
	typ, rights, ok := strings.Cut(rest, ".")
	if !ok || typ != "*" && !typeName(typ) {
		return Scope{}, fmt.Errorf("scope %q: want a resource type or * before the point", s)
	}
	sc := Scope{Context: context, Type: typ, Query: query}
	switch rights {
	case "read":
		sc.Rights, sc.V1 = readSearch, true
	case "write":
		sc.Rights, sc.V1 = writing, true
	case "*":
		sc.Rights, sc.V1 = allRights, true
	default:
		at := -1
		for i := range len(rights) {
			n := strings.IndexByte(letters, rights[i])
			if n <= at { // unknown, doubled, or out of order
				return Scope{}, fmt.Errorf("scope %q: rights are read, write, * or letters of cruds in that order", s)
			}
			at = n
			sc.Rights |= 1 << n
		}
		if sc.Rights == 0 {
			return Scope{}, fmt.Errorf("scope %q: no rights", s)
		}
	}
	if sc.V1 && granular {
		return Scope{}, fmt.Errorf("scope %q: a v1 scope takes no query", s)
	}
	return sc, nil
}

// typeName tells what looks like the name of a resource type; that it is one is not decided here.
func typeName(s string) bool {
	if s == "" || len(s) > 64 || s[0] < 'A' || s[0] > 'Z' {
		return false
	}
	for i := range len(s) {
		if c := s[i] | 0x20; c < 'a' || c > 'z' {
			return false
		}
	}
	return true
}

// String writes the scope as the specification does.
func (s Scope) String() string {
	var b strings.Builder
	b.WriteString(s.Context + "/" + s.Type + ".")
	switch {
	case s.V1 && s.Rights == readSearch:
		b.WriteString("read")
	case s.V1 && s.Rights == writing:
		b.WriteString("write")
	case s.V1 && s.Rights == allRights:
		b.WriteString("*")
	default:
		for i := range len(letters) {
			if s.Rights&(1<<i) != 0 {
				b.WriteByte(letters[i])
			}
		}
	}
	if s.Query != "" {
		b.WriteString("?" + s.Query)
	}
	return b.String()
}

// String joins the scopes with spaces: the value of a scope field.
func (s Scopes) String() string {
	words := make([]string, len(s))
	for i, sc := range s {
		words[i] = sc.String()
	}
	return strings.Join(words, " ")
}

// MayExport says whether the scopes give both read and search on typ. Only system scopes count, and no granular one: a limit
// that cannot be kept is no right.
func (s Scopes) MayExport(typ string) bool {
	return typ != "" && s.rights(typ)&readSearch == readSearch
}

// MayReadGroup says whether the scopes let the client read Groups, which a Group export asks for.
func (s Scopes) MayReadGroup() bool { return s.rights("Group")&Read != 0 }

// rights are all rights the scopes give on typ ("*": on every type).
func (s Scopes) rights(typ string) Right {
	var r Right
	for _, sc := range s {
		if sc.Context == "system" && sc.Query == "" && (sc.Type == typ || sc.Type == "*") {
			r |= sc.Rights
		}
	}
	return r
}
