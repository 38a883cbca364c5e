package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"sluice/config"
)

// Exit codes of every command.
const (
	exitOK      = 0
	exitProblem = 1
	exitUsage   = 2
)

// app is what commands need of the outside.
type app struct {
	environ        []string
	stdout, stderr io.Writer
	configFile     string
}

// exitError ends a command with a code of its own. A nil err says nothing more than was said already.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// run is main without the process: it returns the exit code.
func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	a := &app{environ: environ, stdout: stdout, stderr: stderr}
	root := newRootCommand(a)
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	var exit *exitError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &exit):
		if exit.err != nil {
			fmt.Fprintln(stderr, "sluice:", exit.err)
		}
		return exit.code
	default:
		fmt.Fprintln(stderr, "sluice:", err)
		return exitProblem
	}
}

func newRootCommand(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "sluice",
		Short: "Bulk Data $export for FHIR servers that have none",
		Long: `Sluice stands in front of a FHIR R4 server without Bulk Data $export and gives it one.

Exit codes of every command: 0 done, 1 a problem (said on standard error), 2 wrong usage.`,
		Example:       "  sluice demo\n  sluice serve --upstream http://127.0.0.1:18080/fhir\n  sluice check --config sluice.yaml",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.PersistentFlags().StringVarP(&a.configFile, "config", "c", "", "configuration file (YAML); every key also as SLUICE_… variable")
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return &exitError{exitUsage, fmt.Errorf("%w\nhint: %s --help", err, c.CommandPath())}
	})
	root.AddCommand(
		newDemoCommand(a),
		newServeCommand(a),
		newCheckCommand(a),
		newPullCommand(a),
		newClientCommand(a),
		newKeygenCommand(a),
		newJobsCommand(a),
		newVersionCommand(a),
	)
	root.AddCommand(failpoints.commands(a)...)
	return root
}

// noArgs refuses arguments with the exit code of wrong usage.
func noArgs(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return &exitError{exitUsage, fmt.Errorf("%s takes no argument, got %q\nhint: %s --help", c.CommandPath(), args[0], c.CommandPath())}
	}
	return nil
}

// load reads the configuration that --config and the environment give.
func (a *app) load() (*config.Config, error) { return config.Load(a.configFile, a.environ) }
