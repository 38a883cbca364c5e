package fanout

// spill takes the rows of a page that is larger than the page window into parts of its own, so that they can be thrown away should
// the page break: a part that no commit record names does not exist.
type spill struct {
	open *openPart
	done []pending
}

func (s *spill) used() bool { return s.open != nil || len(s.done) > 0 }

// write adds lines; a part that is full goes to the store at once.
func (s *spill) write(r *chunkRun, typ string, lines []byte) error {
	if s.open == nil {
		s.open = r.seg.newPart(typ)
	}
	if err := s.open.write(lines); err != nil {
		return err
	}
	if s.open.size() < r.e.PartSize {
		return nil
	}
	part, err := r.put(s.open)
	if err != nil {
		return err
	}
	s.open, s.done = nil, append(s.done, pending{part: part})
	return nil
}

// adopt makes the spilled parts part of the segment: the page is complete. The segment must have no open part of the type.
func (s *spill) adopt(seg *segment, typ string) {
	seg.done = append(seg.done, s.done...)
	if s.open != nil {
		seg.open[typ] = s.open
	}
}
