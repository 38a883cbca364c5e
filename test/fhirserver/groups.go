package fhirserver

import (
	"encoding/json"
	"slices"
	"time"
)

// The Groups every server has, beside those of its data:
//
//	half      half of the patients (as loaded when the data bring it and are not multiplied)
//	empty     nobody
//	everyone  all patients
//	nested    half, itself, nested-back (which holds nested and one more patient), a
//	          patient twice, an inactive and an ended member, a Device and a member
//	          with an identifier only
func (s *Server) addGroups(multiplied bool) error {
	patients := s.patientIDs()
	var half, other []string
	for i, id := range patients {
		if i%2 == 0 {
			half = append(half, id)
		} else {
			other = append(other, id)
		}
	}
	if loaded := s.members("half"); loaded != nil && !multiplied {
		half, other = loaded, slices.DeleteFunc(slices.Clone(patients), func(id string) bool { return slices.Contains(loaded, id) })
	}
	pick := func(from []string, n int) string {
		if len(from) == 0 {
			return "none"
		}
		return from[n%len(from)]
	}
	device := "none"
	if t := s.tables["Device"]; t != nil && len(t.rows) > 0 {
		device = t.rows[0].cur.id
	}
	member := func(reference string) groupMember { return groupMember{Entity: groupEntity{Reference: reference}} }
	inactive, ended := member("Patient/"+pick(other, 1)), member("Patient/"+pick(other, 2))
	inactive.Inactive = true
	ended.Period = &groupPeriod{Start: "2020-01-01", End: "2024-12-31"}
	unknown := groupMember{Entity: groupEntity{Identifier: &groupIdentifier{"http://hospital.smarthealthit.org", "no-such-number"}}}
	groups := []groupResource{
		newGroup("half", "Half of the synthetic patients", membersOf(half)),
		newGroup("empty", "Nobody", nil),
		newGroup("everyone", "All synthetic patients", membersOf(patients)),
		newGroup("nested", "Members of every kind", []groupMember{
			member("Group/half"), member("Group/nested"), member("Group/nested-back"),
			member("Patient/" + pick(half, 0)), member("Patient/" + pick(half, 0)),
			inactive, ended, member("Device/" + device), unknown,
		}),
		newGroup("nested-back", "Refers back to the Group it is nested in", []groupMember{
			member("Group/nested"), member("Patient/" + pick(other, 0)),
		}),
	}
	for _, g := range groups {
		if s.table("Group").byID[g.ID] != nil {
			continue
		}
		raw, err := json.Marshal(g)
		if err != nil {
			return err
		}
		if err := s.addLoaded(raw); err != nil {
			return err
		}
	}
	return nil
}

type groupResource struct {
	ResourceType string        `json:"resourceType"`
	ID           string        `json:"id"`
	Active       bool          `json:"active"`
	Type         string        `json:"type"`
	Actual       bool          `json:"actual"`
	Name         string        `json:"name"`
	Quantity     int           `json:"quantity"`
	Member       []groupMember `json:"member,omitempty"`
}

type groupMember struct {
	Entity   groupEntity  `json:"entity"`
	Period   *groupPeriod `json:"period,omitempty"`
	Inactive bool         `json:"inactive,omitempty"`
}

type groupEntity struct {
	Reference  string           `json:"reference,omitempty"`
	Identifier *groupIdentifier `json:"identifier,omitempty"`
}

type groupPeriod struct {
	Start string `json:"start,omitempty"`
	End   string `json:"end,omitempty"`
}

type groupIdentifier struct {
	System string `json:"system"`
	Value  string `json:"value"`
}

func newGroup(id, name string, members []groupMember) groupResource {
	return groupResource{"Group", id, true, "person", true, name, len(members), members}
}

func membersOf(patients []string) []groupMember {
	var out []groupMember
	for _, id := range patients {
		out = append(out, groupMember{Entity: groupEntity{Reference: "Patient/" + id}})
	}
	return out
}

// members expands a Group; nil when there is none. The caller holds a lock.
func (s *Server) members(group string) []string {
	if !s.tables["Group"].has(group) {
		return nil
	}
	out := []string{}
	seen := map[ref]bool{}
	s.expand(group, seen, &out)
	return out
}

func (s *Server) expand(group string, seen map[ref]bool, out *[]string) {
	if seen[ref{"Group", group}] {
		return
	}
	seen[ref{"Group", group}] = true
	t := s.tables["Group"]
	if !t.has(group) {
		return
	}
	var g struct{ Member []groupMember }
	if json.Unmarshal(t.byID[group].cur.appendTo(nil, s.knownBase()), &g) != nil {
		return
	}
	for _, m := range g.Member {
		if m.Inactive || m.Period != nil && s.ended(m.Period.End) {
			continue
		}
		typ, id, ok := localReference(m.Entity.Reference, s.knownBase())
		switch {
		case !ok:
		case typ == "Group":
			s.expand(id, seen, out)
		case typ == "Patient" && !seen[ref{typ, id}] && s.tables["Patient"].has(id):
			seen[ref{typ, id}] = true
			*out = append(*out, id)
		}
	}
}

func (s *Server) ended(end string) bool {
	if end == "" {
		return false
	}
	r, err := parseDate(end)
	return err == nil && !s.o.Clock().Before(time.UnixMilli(r.to))
}
