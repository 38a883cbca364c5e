package fanout

import (
	"context"

	"sluice/export"
	"sluice/jobs"
)

// How much trouble without any progress makes the chain at hand the culprit. A panic is the chain's own doing. A death of the process
// seldom is, so that it takes many, and only those count during which other chunks went on (package jobs counts).
const (
	poisonPanics = 3
	poisonDeaths = 10
)

// caution makes progress certain after trouble: a chunk that somebody began before commits after its first page, and then after more
// and more, so that kills at any rate cannot keep it from ending; after a panic every page is committed, so that the culprit is found.
type caution struct {
	every   int  // pages between commits; 0: no caution
	pages   int  // since the last commit
	steady  bool // the distance does not grow
	culprit bool // the first chain is poison
}

// cautionEnds is the distance at which the ordinary rules take over.
const cautionEnds = 256

func newCaution(l jobs.Lease) caution {
	if l.Token <= 1 {
		return caution{}
	}
	return caution{every: 1, steady: l.Panics > 0, culprit: l.Panics >= poisonPanics || l.Deaths >= poisonDeaths}
}

// due is asked at every page border.
func (c *caution) due() bool {
	c.pages++
	return c.every > 0 && c.pages >= c.every
}

// committed is told of each commit.
func (c *caution) committed() {
	c.pages = 0
	if c.every *= 4; c.steady {
		c.every = 1
	} else if c.every > cautionEnds {
		c.every = 0
	}
}

// poisoned tells, once, that the chain at hand must not be tried again.
func (c *caution) poisoned() bool {
	was := c.culprit
	c.culprit = false
	return was
}

// skipPoison gives up the chain at hand and commits that, so that nobody tries it again.
func (r *chunkRun) skipPoison(ctx context.Context, c chain) error {
	r.e.Log.ErrorContext(ctx, "reading a chain stops the gateway again and again: left out", "job", r.j.id, "item", r.lease.Item, "type", c.typ)
	r.lost(c, export.Failure{Type: c.typ, Scope: c.scope, Code: "exception", Text: "reading it stopped the gateway again and again: left out"})
	r.caution.pages, r.caution.every = 0, 1
	return nil
}
