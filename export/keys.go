package export

import (
	"fmt"
	"strconv"
	"strings"
)

// Root is the prefix below which every export has its own prefix.
const Root = "jobs/"

// SystemRoot is the prefix of what belongs to the installation and not to one export: keys, assertion ids, the lock.
const SystemRoot = "system/"

// StopKey is the key of the object that stops the work on all exports, in all replicas, as long as it is there.
const StopKey = SystemRoot + "stop.json"

// Prefix returns the prefix of all objects of a job.
func Prefix(job string) string { return Root + job + "/" }

// SpecKey returns the key of the record of the request.
func SpecKey(job string) string { return Prefix(job) + "spec.json" }

// PlanKey returns the key of the plan of the first pass (wave 0) or of reference wave k.
func PlanKey(job string, wave int) string {
	if wave == 0 {
		return Prefix(job) + "plan.json"
	}
	return fmt.Sprintf("%splan-w%d.json", Prefix(job), wave)
}

// PlanPartKey returns the key of the n-th list of patients or references written by one planning attempt.
func PlanPartKey(job, attempt string, n int) string {
	return fmt.Sprintf("%splan/%s.%05d.ndjson.gz", Prefix(job), attempt, n)
}

// ChunkID names a piece of work: a chunk of a plan by its number, or a child that was split off it.
type ChunkID string

// PlanChunk returns the id of chunk n of the plans.
func PlanChunk(n int64) ChunkID { return ChunkID(fmt.Sprintf("%08d", n)) }

// Child returns the id of the k-th child that segment seq of a chunk splits off: derived, so that whoever tells it anew tells the same.
func (c ChunkID) Child(seq, k int) ChunkID { return ChunkID(fmt.Sprintf("%s-%05d-%d", c, seq, k)) }

// Root returns the number of the plan's chunk that c is or comes from.
func (c ChunkID) Root() (n int64, ok bool) {
	digits, _, _ := strings.Cut(string(c), "-")
	n, err := strconv.ParseInt(digits, 10, 64)
	return n, err == nil
}

// Parent returns the chunk, segment and place that a child was split off at; ok is false for a chunk of a plan.
func (c ChunkID) Parent() (parent ChunkID, seq, k int, ok bool) {
	parts := strings.Split(string(c), "-")
	if len(parts) < 3 {
		return "", 0, 0, false
	}
	last := len(parts) - 2
	seq, err1 := strconv.Atoi(parts[last])
	k, err2 := strconv.Atoi(parts[last+1])
	return ChunkID(strings.Join(parts[:last], "-")), seq, k, err1 == nil && err2 == nil
}

// PartKey returns the key of one part: the rows of one type in one segment.
func PartKey(job, typ string, chunk ChunkID, seq int, attempt string, n int) string {
	return fmt.Sprintf("%soutput/%s/%s.%05d.%s-%d.ndjson.gz", Prefix(job), typ, chunk, seq, attempt, n)
}

// ErrorPartKey returns the key of the OperationOutcome lines of one segment.
func ErrorPartKey(job string, chunk ChunkID, seq int, attempt string) string {
	return fmt.Sprintf("%serrors/%s.%05d.%s.ndjson.gz", Prefix(job), chunk, seq, attempt)
}

// FinalErrorPartKey returns the key of the OperationOutcome lines that only the finisher can write: what failed in whole.
func FinalErrorPartKey(job, attempt string) string {
	return fmt.Sprintf("%serrors/final.%s.ndjson.gz", Prefix(job), attempt)
}

// CommitPrefix is the prefix of all commit records of a job.
func CommitPrefix(job string) string { return Prefix(job) + "commits/" }

// ChunkCommitPrefix is the prefix of the commit records of one chunk.
func ChunkCommitPrefix(job string, chunk ChunkID) string {
	return fmt.Sprintf("%s%s.", CommitPrefix(job), chunk)
}

// CommitKey returns the key of the commit record of one segment.
func CommitKey(job string, chunk ChunkID, seq int) string {
	return fmt.Sprintf("%s%05d.json", ChunkCommitPrefix(job, chunk), seq)
}

// ParseCommitKey returns the chunk and the sequence number that a commit record's key names.
func ParseCommitKey(job, key string) (chunk ChunkID, seq int, ok bool) {
	name, found := strings.CutPrefix(key, CommitPrefix(job))
	if !found {
		return "", 0, false
	}
	name, found = strings.CutSuffix(name, ".json")
	c, s, dot := strings.Cut(name, ".")
	if !found || !dot {
		return "", 0, false
	}
	_, isChunk := ChunkID(c).Root()
	seq, err := strconv.Atoi(s)
	return ChunkID(c), seq, err == nil && isChunk
}

// FileKey returns the key of the extent table of one virtual file, written by one finishing attempt.
func FileKey(job, attempt, name string) string {
	return fmt.Sprintf("%sfiles/%s/%s.json", Prefix(job), attempt, name)
}

// ManifestKey returns the key of the manifest: an export is finished when it exists.
func ManifestKey(job string) string { return Prefix(job) + "manifest.json" }

// TombstoneKey returns the key that says: cancelled or deleted, nothing may be served.
func TombstoneKey(job string) string { return Prefix(job) + "tombstone" }
