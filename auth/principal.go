package auth

import (
	"slices"
	"time"
)

// Principal is who a request comes from and what it may do, as of this request.
type Principal struct {
	ClientID string
	Name     string
	Scopes   Scopes   // as granted to the token, narrowed to what is still registered
	JTI      string   // names the token in the audit log
	Groups   []string // allow-list of the registry; empty: any
	Expires  time.Time
}

// MayExport says whether the token gives a bulk right to resources of type typ.
func (p *Principal) MayExport(typ string) bool { return p != nil && p.Scopes.MayExport(typ) }

// MayExportGroup says whether the client's allow-list has the Group. That the scopes also let it read the Group is a question
// of its own: Scopes.MayReadGroup.
func (p *Principal) MayExportGroup(id string) bool {
	return p != nil && id != "" && (len(p.Groups) == 0 || slices.Contains(p.Groups, id))
}
