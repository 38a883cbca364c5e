package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

// oneArg wants exactly one argument, and answers anything else with the exit code of wrong usage.
func oneArg(what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usagef(c, "%s takes one argument, %s, got %d", c.CommandPath(), what, len(args))
		}
		return nil
	}
}

// usagef is wrong usage of a command.
func usagef(c *cobra.Command, format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf("%w\nhint: %s --help", fmt.Errorf(format, args...), c.CommandPath())}
}
