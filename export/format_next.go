//go:build nextformat

package export

// Format is that of a version to come: with this build tag a rolling upgrade can be tried.
const Format = 2
