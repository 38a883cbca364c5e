package auth

import "slices"

// Intersect is what may be granted of s to a client registered for registered: never more than either. What was asked in v1 is
// answered in v1. Asking system/*.rs with system/Patient.rs registered gives system/Patient.rs. Granular scopes, and scopes of a
// patient or user, are not granted.
func (s Scopes) Intersect(registered Scopes) Scopes {
	var granted Scopes
	for _, asked := range s {
		if asked.Context != "system" || asked.Query != "" {
			continue
		}
		types := []string{asked.Type}
		if asked.Type == "*" {
			types = registered.types()
		}
		whole := asked.Rights & registered.rights("*") // what "*" gives need not be repeated for a single type
		for _, typ := range types {
			rights := asked.Rights & registered.rights(typ)
			if typ != "*" && asked.Type == "*" && rights|whole == whole {
				continue
			}
			for _, sc := range spell(typ, rights, asked.V1) {
				if !slices.Contains(granted, sc) {
					granted = append(granted, sc)
				}
			}
		}
	}
	return granted
}

// types are the types named by system scopes, in order, "*" among them.
func (s Scopes) types() []string {
	var types []string
	for _, sc := range s {
		if sc.Context == "system" && sc.Query == "" && !slices.Contains(types, sc.Type) {
			types = append(types, sc.Type)
		}
	}
	return types
}

// spell writes rights on typ as scopes. The v1 form has words only for read and write as a whole: what it cannot say is not
// granted.
func spell(typ string, rights Right, v1 bool) Scopes {
	if !v1 {
		if rights == 0 {
			return nil
		}
		return Scopes{{Context: "system", Type: typ, Rights: rights}}
	}
	switch {
	case rights == allRights:
	case rights&readSearch == readSearch:
		rights = readSearch
	case rights&writing == writing:
		rights = writing
	default:
		return nil
	}
	return Scopes{{Context: "system", Type: typ, Rights: rights, V1: true}}
}
