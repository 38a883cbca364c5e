package export

import (
	"time"

	"sluice/bulkdata"
	"sluice/fhir"
)

// Spec is the record of an accepted kick-off: who asked for what. It is written before the client hears 202.
type Spec struct {
	Format  int              `json:"format"`
	Job     string           `json:"job"`
	Client  string           `json:"client"`
	Scopes  string           `json:"scopes"` // as granted to the token of the kick-off
	Created time.Time        `json:"created"`
	Request bulkdata.Request `json:"request"`
	Types   []string         `json:"types"` // what the request and the scopes allow, decided at kick-off
	ID      string           `json:"requestId,omitempty"`
	RetryOf string           `json:"retryOf,omitempty"` // the export whose failed searches alone are made again
}

// Plan is the record that freezes one pass over the upstream: the patients of the first pass, or the references of a wave.
// No chunk is claimed before it exists; who loses the race to create it adopts the winner's.
type Plan struct {
	Format  int    `json:"format"`
	Attempt string `json:"attempt"`
	Wave    int    `json:"wave"`
	// Base is the number of the first chunk of this pass; chunks are numbered through all passes.
	Base   int64 `json:"base"`
	Chunks int64 `json:"chunks"`

	// The first pass only:
	TransactionTime time.Time         `json:"transactionTime,omitzero"`
	Started         time.Time         `json:"started,omitzero"` // upper bound of the upstream's clock when planning began
	GroupVersion    string            `json:"groupVersion,omitempty"`
	Patients        int64             `json:"patients,omitempty"`
	Searches        []fhir.TypeSearch `json:"searches,omitempty"`
	Notes           []fhir.Issue      `json:"notes,omitempty"` // members left out, parameters ignored: for the error files

	// References are read in the first wave beside those that the rows name: an earlier export failed to read them.
	References []string `json:"references,omitempty"`

	// Parts list the patients (first pass) or references (waves), in order; empty at system level.
	Parts []PlanPart `json:"parts,omitempty"`
	// ChunkSize is the number of lines of the parts that make one chunk.
	ChunkSize int `json:"chunkSize"`
}

// PlanPart names one list of a plan and the number of its lines. A part holds whole chunks.
type PlanPart struct {
	Key   string `json:"key"`
	Lines int    `json:"lines"`
}

// Commit is the record that makes the parts of one segment exist. Whoever creates it has committed the segment; all others adopt it.
type Commit struct {
	Format   int       `json:"format"`
	Attempt  string    `json:"attempt"`
	Chunk    ChunkID   `json:"chunk"`
	Seq      int       `json:"seq"`
	Written  time.Time `json:"written"`
	Parts    []Part    `json:"parts,omitempty"`
	Errors   []Part    `json:"errors,omitempty"`
	Continue *Position `json:"continue,omitempty"` // where the next segment goes on; nil: the chunk is closed

	// Children are pieces of the chunk's work that others may do; Until is where the chunk itself ends from now on.
	Children []Child   `json:"children,omitempty"`
	Until    *Position `json:"until,omitempty"`

	// ChainIDs are the rows met in this segment by the item that Continue stands in, so that a restarted chain repeats nothing:
	// 17 bytes a row, a 128-bit hash of "Type/id" and 1 if the row was written, 0 if it was met and left out.
	ChainIDs   []byte      `json:"chainIds,omitempty"`
	References []string    `json:"references,omitempty"` // distinct "Type/id" outside the compartment, to be followed
	Shared     []string    `json:"shared,omitempty"`     // "Type/id" rows of several patients, written here as owner
	Deferred   []string    `json:"deferred,omitempty"`   // "Type/id" rows seen here whose owner is another patient of the cohort
	Failures   []Failure   `json:"failures,omitempty"`   // searches that finally failed
	Chains     []ChainStat `json:"chains,omitempty"`     // sums of the chains closed in this segment, per type
	Patients   int64       `json:"patients,omitempty"`   // patients finished with this segment
	Requests   int64       `json:"requests,omitempty"`   // pages asked for
}

// Child is a piece of a chunk that was split off: the chains from From on and before Until (nil: to the end of the chunk).
type Child struct {
	ID    ChunkID   `json:"id"`
	From  Position  `json:"from"`
	Until *Position `json:"until,omitempty"`
}

// Part is one object that a commit record names.
type Part struct {
	Key  string `json:"key"`
	Type string `json:"type"`
	PartStat
}

// Position says where a chunk goes on: the chain by type, item (patient or reference) and split, and the page inside it.
// The fields are indexes into the plan of the pass that the chunk belongs to.
type Position struct {
	Type  int    `json:"type"`
	Item  int    `json:"item"`
	Split int    `json:"split"`
	Page  int    `json:"page,omitempty"`  // complete pages read of this split
	Far   int    `json:"far,omitempty"`   // pages of it that were read before it was begun again: up to here nothing new is expected
	Next  string `json:"next,omitempty"`  // the next link of the last complete page; "": begin the split at its first page
	Total *int64 `json:"total,omitempty"` // what the upstream said this split has
	Seen  int64  `json:"seen,omitempty"`  // distinct rows seen of this split
}

// Before tells that the chain at p comes before the one at q; the page does not matter.
func (p Position) Before(q Position) bool {
	if p.Type != q.Type {
		return p.Type < q.Type
	}
	if p.Item != q.Item {
		return p.Item < q.Item
	}
	return p.Split < q.Split
}

// Failure is one search that finally failed: the scope and the reason, for the error files.
type Failure struct {
	Type   string `json:"type"`
	Scope  string `json:"scope,omitempty"` // "Patient/id", a followed reference, or "" for a whole type
	Status int    `json:"status,omitempty"`
	Code   string `json:"code"`
	Text   string `json:"text"`             // our own words; never the upstream's
	Remark bool   `json:"remark,omitempty"` // not a failed search: something to know about one that ended
}

// ChainStat sums what the upstream said it has against what was seen, over chains of one type.
type ChainStat struct {
	Type     string `json:"type"`
	Chains   int64  `json:"chains"`
	Expected int64  `json:"expected"` // sum of totals, where the upstream gave one
	Seen     int64  `json:"seen"`     // distinct rows of those chains
	Rows     int64  `json:"rows"`     // rows written
	Repeated int64  `json:"repeated,omitempty"`
	Foreign  int64  `json:"foreign,omitempty"` // rows of patients nobody asked for: dropped
	Outside  int64  `json:"outside,omitempty"` // rows outside the time window: dropped
}

// Manifest is the last record of an export, finished or failed. It exists once and never changes.
type Manifest struct {
	Format          int                    `json:"format"`
	Job             string                 `json:"job"`
	State           string                 `json:"state"` // "complete" or "failed"
	Attempt         string                 `json:"attempt"`
	Finished        time.Time              `json:"finished"`
	Expires         time.Time              `json:"expires"`
	TransactionTime time.Time              `json:"transactionTime,omitzero"`
	Output          []FileInfo             `json:"output"`
	Errors          []FileInfo             `json:"errors"`
	Outcome         *fhir.OperationOutcome `json:"outcome,omitempty"` // why it failed
	Patients        int64                  `json:"patients"`
	FailedPatients  int64                  `json:"failedPatients"`
	Rows            int64                  `json:"rows"`
	Sums            []ChainStat            `json:"sums,omitempty"`
}

// FileInfo is a virtual file as the manifest names it; its extents are under Key.
type FileInfo struct {
	Name  string `json:"name"` // last path segment of its URL: "Observation.0001.ndjson"
	Type  string `json:"type"`
	Lines int64  `json:"lines"`
	Raw   int64  `json:"raw"` // bytes of the identity coding
	Key   string `json:"key"`
}

// File is the extent table of one virtual file: an ordered list of parts that a client downloads as one.
type File struct {
	Format  int      `json:"format"`
	Name    string   `json:"name"`
	Type    string   `json:"type"`
	Extents []Extent `json:"extents"`
}

// Extent is one part inside a virtual file.
type Extent struct {
	Key string `json:"key"`
	PartStat
}

// PartStat describes the bytes of one part: a standalone gzip of whole NDJSON lines.
type PartStat struct {
	Lines  int64 `json:"lines"`
	Raw    int64 `json:"raw"`    // bytes of the lines
	Stored int64 `json:"stored"` // bytes of the gzip
	// PayloadEnd is the offset of the flush border: bytes [10,PayloadEnd) are deflate blocks that end on a byte border and
	// can be followed by another part's.
	PayloadEnd int64  `json:"payloadEnd"`
	CRC32      uint32 `json:"crc32"`  // of the lines
	SHA256     string `json:"sha256"` // of the gzip, hex
}
