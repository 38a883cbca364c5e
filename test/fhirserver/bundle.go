package fhirserver

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strconv"
)

// appendHead appends the beginning of a Bundle, up to and with its type.
func appendHead(dst []byte, s *search, tag, kind string) []byte {
	dst = append(dst, `{"resourceType":"Bundle","id":`...)
	dst = appendString(dst, s.id)
	dst = append(dst, `,"meta":{"lastUpdated":"`...)
	dst = s.at.AppendFormat(dst, instant)
	dst = append(dst, '"')
	if tag != "" {
		dst = append(append(append(dst, `,"tag":[`...), tag...), ']')
	}
	dst = append(dst, `},"type":"`...)
	return append(append(dst, kind...), '"')
}

func appendTotal(dst []byte, total int64) []byte {
	return strconv.AppendInt(append(dst, `,"total":`...), total, 10)
}

func appendLinks(dst []byte, links []Link) []byte {
	for i, l := range links {
		if i == 0 {
			dst = append(dst, `,"link":[`...)
		} else {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"relation":`...)
		dst = appendString(dst, l.Relation)
		dst = append(dst, `,"url":`...)
		dst = append(appendString(dst, l.URL), '}')
	}
	if len(links) > 0 {
		dst = append(dst, ']')
	}
	return dst
}

// appendCount appends the Bundle of _summary=count.
func appendCount(dst []byte, s *search) []byte {
	dst = appendHead(dst, s, subsetted, "searchset")
	return append(appendTotal(dst, int64(len(s.rows))), '}')
}

// appendTo appends the page as a searchset Bundle.
func (p *Page) appendTo(dst []byte, s *search) []byte {
	dst = appendHead(dst, s, "", "searchset")
	if p.Total != nil {
		dst = appendTotal(dst, *p.Total)
	}
	dst = appendLinks(dst, p.Links)
	for i, e := range p.Entries {
		if i == 0 {
			dst = append(dst, `,"entry":[`...)
		} else {
			dst = append(dst, ',')
		}
		dst = append(dst, '{')
		if e.FullURL != "" {
			dst = append(dst, `"fullUrl":`...)
			dst = append(appendString(dst, e.FullURL), ',')
		}
		dst = append(dst, `"resource":`...)
		dst = append(dst, e.Resource...)
		switch {
		case e.Search != nil:
			dst = append(append(dst, `,"search":`...), e.Search...)
		case e.Mode != "":
			dst = append(dst, `,"search":{"mode":`...)
			dst = append(appendString(dst, e.Mode), '}')
		}
		dst = append(dst, '}')
	}
	if len(p.Entries) > 0 {
		dst = append(dst, ']')
	}
	return append(dst, '}')
}

// subset keeps the named elements, resourceType, id and meta, and tags the
// resource as SUBSETTED.
func subset(resource []byte, elements []string) []byte {
	out := []byte{'{'}
	eachMember(resource, 0, func(name []byte, v span) bool {
		n, value := string(name), resource[v.from:v.to]
		switch {
		case n == "meta":
			value = tagged(value)
		case n == "resourceType" || n == "id" || slices.Contains(elements, n) || len(n) > 1 && n[0] == '_' && slices.Contains(elements, n[1:]):
		default:
			return true
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(append(append(out, '"'), name...), `":`...)
		out = append(out, value...)
		return true
	})
	return append(out, '}')
}

func tagged(meta []byte) []byte {
	if tags := member(meta, "tag"); len(tags) > 2 {
		more := append(slices.Clone(tags[:len(tags)-1]), ","+subsetted+"]"...)
		return bytes.Replace(meta, append([]byte(`"tag":`), tags...), append([]byte(`"tag":`), more...), 1)
	}
	return append(slices.Clone(meta[:len(meta)-1]), `,"tag":[`+subsetted+`]}`...)
}

// binary is the content of a Binary.
func binary(resource []byte) (kind string, content []byte) {
	var b struct {
		ContentType string `json:"contentType"`
		Data        string `json:"data"`
	}
	if json.Unmarshal(resource, &b) != nil || b.ContentType == "" {
		return "", resource
	}
	content, err := base64.StdEncoding.DecodeString(b.Data)
	if err != nil {
		return "", resource
	}
	return b.ContentType, content
}
