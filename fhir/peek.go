package fhir

import "time"

// Head is what an export must know of a resource before it is written.
type Head struct {
	ResourceType string
	ID           string
	VersionID    string
	LastUpdated  time.Time // zero when absent or not an instant
}

// Peek reads the head of a resource. What is absent or of the wrong JSON kind stays empty; an error means that raw is no JSON object
// or is broken before the head was complete. It stops as soon as it has all: only AppendLine checks the whole resource.
func Peek(raw []byte) (Head, error) {
	var h Head
	found := 0
	err := decode(raw, func(d *decoder) error {
		return d.members(func(name []byte) (err error) {
			switch string(name) {
			case "resourceType":
				h.ResourceType, err = d.text()
			case "id":
				h.ID, err = d.text()
			case "meta":
				err = h.meta(d)
			default:
				return d.SkipValue()
			}
			if found++; err == nil && found == 3 {
				return errEnough
			}
			return err
		})
	})
	switch {
	case err == errNoObject:
		return Head{}, &ResourceError{Reason: "no JSON object"}
	case err != nil:
		return Head{}, syntaxError(err)
	}
	return h, nil
}

func (h *Head) meta(d *decoder) error {
	err := d.members(func(name []byte) (err error) {
		switch string(name) {
		case "versionId":
			h.VersionID, err = d.text()
		case "lastUpdated":
			var s string
			s, err = d.text()
			h.LastUpdated, _ = ParseInstant(s)
		default:
			err = d.SkipValue()
		}
		return err
	})
	if err == errNoObject {
		return nil
	}
	return err
}
