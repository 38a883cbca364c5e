//go:build !failpoints

package main

import (
	"github.com/spf13/cobra"

	"sluice/storage"
)

// failpoints does nothing: the named points at which a process kills itself are built in with the tag "failpoints" only.
var failpoints noFailpoints

type noFailpoints struct{ script func(string) func() }

func (noFailpoints) bucket(s storage.Store) storage.Store  { return s }
func (noFailpoints) store(s storage.Store) storage.Store   { return s }
func (noFailpoints) audit(l eventLog) eventLog             { return l }
func (noFailpoints) commands(*app) (none []*cobra.Command) { return none }
