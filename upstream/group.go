package upstream

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"sluice/fhir"
)

// groupTimeout bounds GroupStatus: a kick-off waits for it.
const groupTimeout = 2 * time.Second

// GroupStatus asks once, in at most two seconds, whether a Group is there. known is false when the answer tells neither way; that is
// no reason to refuse anything.
func (c *Client) GroupStatus(ctx context.Context, id string) (exists, known bool) {
	if !fhir.ValidID(id) {
		return false, true
	}
	ctx, cancel := context.WithTimeout(ctx, groupTimeout)
	defer cancel()
	err := c.once(ctx, exchange{
		op: "read Group", url: c.base.String() + "/Group/" + id + "?_elements=id", slots: c.reserve,
		handle: func(_ *http.Response, b *body) error {
			raw, err := io.ReadAll(io.LimitReader(b, 64<<10))
			if err != nil {
				return err
			}
			// A server that ignores _elements sends all members; what is cut off is no matter then.
			if head, err := fhir.Peek(raw); err == nil && head.ResourceType != "Group" {
				return notResource(head.ResourceType, raw)
			}
			return nil
		},
	})
	if err == nil {
		return true, true
	}
	e, ok := errors.AsType[*Error](err)
	return false, ok && (e.status == http.StatusNotFound || e.status == http.StatusGone)
}
