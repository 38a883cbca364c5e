package fanout

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"sluice/export"
	"sluice/storage"
)

// rowID is a 128-bit hash of "Type/id": what de-duplication remembers of a row.
type rowID [16]byte

func hashID(s string) rowID {
	sum := sha256.Sum256([]byte(s))
	return rowID(sum[:16])
}

// patientIndex tells the place of a patient in the plan: 12 bytes a patient, read once per job and only when a row that several
// patients share is met.
type patientIndex struct {
	hash  []uint64
	place []uint32
}

// place returns the plan index of a patient, or false for one outside the cohort.
func (x *patientIndex) of(id string) (int, bool) {
	h := hash64(id)
	i, found := slices.BinarySearch(x.hash, h)
	if !found {
		return 0, false
	}
	return int(x.place[i]), true
}

func hash64(id string) uint64 {
	h := hashID(id)
	return binary.BigEndian.Uint64(h[:8])
}

// patients returns the index of the cohort.
func (j *job) patients(ctx context.Context, s storage.Store, p *export.Plan) (*patientIndex, error) {
	if err := j.lock.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	defer j.lock.Release(1)
	if j.index != nil {
		return j.index, nil
	}
	type entry struct {
		hash  uint64
		place uint32
	}
	entries := make([]entry, 0, p.Patients)
	for _, part := range p.Parts {
		err := export.ReadList(ctx, s, part.Key, func(line []byte) error {
			id, _ := member(string(line))
			entries = append(entries, entry{hash64(id), uint32(len(entries))})
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(entries, func(a, b entry) int {
		if a.hash != b.hash {
			if a.hash < b.hash {
				return -1
			}
			return 1
		}
		return int(a.place) - int(b.place)
	})
	x := &patientIndex{hash: make([]uint64, len(entries)), place: make([]uint32, len(entries))}
	for i, en := range entries {
		x.hash[i], x.place[i] = en.hash, en.place
	}
	j.index = x
	return x, nil
}
