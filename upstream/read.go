package upstream

import (
	"context"
	"errors"
	"net/http"

	"sluice/fhir"
)

// errReference refuses what is no reference to one resource.
var errReference = errors.New("upstream: read of something that is no reference to a resource")

// Read returns one resource as the upstream gave it. It is of the type asked for; its id may be another one, when the upstream has
// merged the two and redirects.
func (c *Client) Read(ctx context.Context, ref fhir.Reference) ([]byte, error) {
	if !fhir.ValidType(ref.Type) || !fhir.ValidID(ref.ID) {
		return nil, errReference
	}
	limit := c.o.MaxResource
	if ref.Type == "Group" {
		limit = c.o.MaxGroup
	}
	return c.get(ctx, "read "+ref.Type, ref.String(), ref.Type, limit)
}

// get reads one resource at a path below the base.
func (c *Client) get(ctx context.Context, op, path, typ string, limit int64) ([]byte, error) {
	var raw []byte
	err := c.do(ctx, exchange{op: op, url: c.base.String() + "/" + path, handle: func(_ *http.Response, b *body) error {
		var err error
		if raw, err = b.readAll(limit); err != nil {
			return err
		}
		head, err := fhir.Peek(raw)
		if err != nil {
			return &fhir.SyntaxError{Reason: "cannot be read"}
		}
		if head.ResourceType != typ {
			return notResource(head.ResourceType, raw)
		}
		return nil
	}}, nil)
	if err != nil {
		return nil, err
	}
	return raw, nil
}
