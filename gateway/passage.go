package gateway

import (
	"net/http"
	"slices"
	"strings"

	"sluice/auth"
	"sluice/fhir"
)

// What happens to requests that are no exports.
const (
	proxyOff  = "off"  // 404
	proxyRead = "read" // reads and searches of one type pass
	proxyAll  = "all"  // what FHIR's RESTful API has passes, operations only for clients that may do everything
)

// passage is a request as the rules of the pass-through see it: which right on which type it takes.
type passage struct {
	typ    string // a resource type, or "*": the request may touch every type
	id     string // of the resource, "" for requests on a type
	rights auth.Right
	search bool // parameters in the query, or in the body when form is set
	form   bool // POST _search
	writes bool // has a body that goes upstream
}

const (
	readRights = auth.Read | auth.Search
	everything = auth.Create | auth.Read | auth.Update | auth.Delete | auth.Search
)

// findPassage says what a request is, from its method and the segments of its path under the base; false: nothing that may pass in
// this mode, for anybody. Exports never pass, however they are spelled (S12).
func findPassage(mode, method string, path []string, hasQuery bool) (passage, bool) {
	if mode == proxyOff {
		return passage{}, false
	}
	read := method == http.MethodGet || method == http.MethodHead
	if p, ok := readPassage(read, method, path, hasQuery); ok {
		return p, true
	}
	if mode == proxyAll {
		return writePassage(read, method, path)
	}
	return passage{}, false
}

// readPassage: FHIR R4, RESTful API: read, vread, history and search.
func readPassage(read bool, method string, path []string, hasQuery bool) (passage, bool) {
	var none passage
	if len(path) == 0 { // search over all types; on some servers also the next page of any search
		return passage{typ: "*", rights: readRights, search: true}, read && hasQuery
	}
	typ := path[0]
	if !fhir.ValidType(typ) {
		return none, false
	}
	switch {
	case len(path) == 1:
		return passage{typ: typ, rights: auth.Search, search: true}, read
	case len(path) == 2 && path[1] == "_search":
		return passage{typ: typ, rights: auth.Search, search: true, form: true}, method == http.MethodPost
	case len(path) == 2 && path[1] == "_history":
		return passage{typ: typ, rights: readRights}, read
	case !fhir.ValidID(path[1]) || strings.HasPrefix(path[1], "$"):
		return none, false
	case len(path) == 2,
		len(path) == 3 && path[2] == "_history",
		len(path) == 4 && path[2] == "_history" && fhir.ValidID(path[3]):
		return passage{typ: typ, id: path[1], rights: auth.Read}, read
	}
	return none, false
}

// writePassage: FHIR R4, RESTful API: create, update, patch, delete, batch and transaction, operations. Batches and operations may touch
// anything, so they take every right on every type.
func writePassage(read bool, method string, path []string) (passage, bool) {
	var none passage
	if n := len(path); n > 0 && strings.HasPrefix(path[n-1], "$") {
		wellFormed := n <= 3 && (n == 1 || fhir.ValidType(path[0])) && (n < 3 || fhir.ValidID(path[1]))
		forbidden := strings.Contains(strings.ToLower(path[n-1]), "export")
		return passage{typ: "*", rights: everything, writes: method == http.MethodPost}, wellFormed && !forbidden && (read || method == http.MethodPost)
	}
	if len(path) == 0 {
		return passage{typ: "*", rights: everything, writes: true}, method == http.MethodPost
	}
	if len(path) > 2 || !fhir.ValidType(path[0]) || len(path) == 2 && !fhir.ValidID(path[1]) {
		return none, false
	}
	p := passage{typ: path[0], writes: method != http.MethodDelete}
	if len(path) == 2 {
		p.id = path[1]
	} else {
		p.rights, p.search = auth.Search, true // conditional: which resource it is, a search decides
	}
	switch {
	case method == http.MethodPost && len(path) == 1:
		p.rights, p.search = auth.Create, false
	case method == http.MethodPut, method == http.MethodPatch:
		p.rights |= auth.Update
	case method == http.MethodDelete:
		p.rights |= auth.Delete
	default:
		return none, false
	}
	return p, true
}

// rightsOn are the rights that the scopes give on a type; a granular scope gives none, as the pass-through cannot keep its limit.
func rightsOn(scopes auth.Scopes, typ string) auth.Right {
	var r auth.Right
	for _, s := range scopes {
		if s.Context == "system" && s.Query == "" && (s.Type == typ || s.Type == "*") {
			r |= s.Rights
		}
	}
	return r
}

// param is one name=value of a query, decoded.
type param struct{ name, value string }

// wide are search parameters that bring in, or ask about, resources of other types than the one searched.
var wide = []string{"_include", "_revinclude", "_has", "_contained", "_containedType", "_query", "_filter", "_list", "_type", "_getpages"}

// mayPass checks a passage against the rights of its caller. query is what the request searches with; it may be narrowed.
func mayPass(p *auth.Principal, pass passage, query []param) ([]param, *problem) {
	insufficient := fromAuth(auth.InsufficientScope("pass-through outside the scopes"))
	if rightsOn(p.Scopes, pass.typ)&pass.rights != pass.rights {
		return nil, insufficient
	}
	limited := len(p.Groups) > 0
	if limited || rightsOn(p.Scopes, "*")&readRights != readRights {
		for _, q := range query {
			name, modifier, _ := strings.Cut(q.name, ":")
			if slices.Contains(wide, name) || strings.Contains(name, ".") || strings.Contains(modifier, ".") {
				return nil, insufficient
			}
		}
	}
	if !limited {
		return query, nil
	}
	// A client that is limited to Groups sees these, and no patient outside an export of them.
	switch {
	case pass.typ != "Group" || pass.rights&^readRights != 0:
		return nil, fail(http.StatusForbidden, "forbidden", "this client is limited to its Groups")
	case pass.id != "" && p.MayExportGroup(pass.id):
		return query, nil
	case pass.id != "" || !pass.search:
		return nil, fail(http.StatusForbidden, "forbidden", "this client may not read this Group")
	}
	return onlyGroups(query, p.Groups), nil
}

// onlyGroups narrows a search for Groups to those of the list: DISC-12.
func onlyGroups(query []param, groups []string) []param {
	narrowed := slices.Clone(groups)
	query = slices.DeleteFunc(slices.Clone(query), func(q param) bool {
		if q.name != "_id" {
			return false
		}
		asked := strings.Split(q.value, ",")
		narrowed = slices.DeleteFunc(narrowed, func(g string) bool { return !slices.Contains(asked, g) })
		return true
	})
	if len(narrowed) == 0 {
		narrowed = []string{"none-of-these-groups-is-allowed"} // an id that matches nothing: an empty Bundle
	}
	return append(query, param{"_id", strings.Join(narrowed, ",")})
}
