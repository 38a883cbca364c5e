package fanout

import (
	"bytes"
	"slices"
)

// idSet is a set of hashed ids that only grows: 16 bytes an id, in sorted runs that are merged when they are of one size, and a few
// in a map. A map alone takes two to three times as much.
type idSet struct {
	recent map[rowID]struct{}
	runs   [][]rowID // sorted; each at least twice as long as the next
}

// recentIDs is how many ids are kept in the map.
const recentIDs = 4096

// add puts id into the set and tells whether it was not there before.
func (s *idSet) add(id rowID) bool {
	if _, in := s.recent[id]; in {
		return false
	}
	for _, run := range s.runs {
		if _, in := slices.BinarySearchFunc(run, id, compareIDs); in {
			return false
		}
	}
	if s.recent == nil {
		s.recent = make(map[rowID]struct{}, recentIDs)
	}
	s.recent[id] = struct{}{}
	if len(s.recent) == recentIDs {
		s.settle()
	}
	return true
}

// settle makes a run of the map, and one of the runs that are of its size.
func (s *idSet) settle() {
	run := make([]rowID, 0, len(s.recent))
	for id := range s.recent {
		run = append(run, id)
	}
	clear(s.recent)
	for n := len(s.runs); n > 0 && len(s.runs[n-1]) < 2*len(run); n = len(s.runs) {
		run = append(run, s.runs[n-1]...)
		s.runs = s.runs[:n-1]
	}
	slices.SortFunc(run, compareIDs)
	s.runs = append(s.runs, slices.Clip(run))
}

func compareIDs(a, b rowID) int { return bytes.Compare(a[:], b[:]) }
