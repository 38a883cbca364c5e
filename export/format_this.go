//go:build !nextformat

package export

// Format is the newest format of records that this process reads and writes.
const Format = 1
