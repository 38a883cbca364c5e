package main

import (
	"fmt"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"sluice/bulkdata"
	"sluice/cmd/sluice/pull"
)

func newPullCommand(a *app) *cobra.Command {
	var o pull.Options
	var keyFile string
	var patients, system bool
	c := &cobra.Command{
		Use:     "pull URL",
		Short:   "Export from a Bulk Data server and download the files",
		Long:    "A Bulk Data client: token, kick-off, polling, downloads; every line and count is checked.\n\nExit codes: 0 done, 1 a problem, 2 wrong usage, 3 done with error files.",
		Example: "  sluice pull http://127.0.0.1:8080/fhir --client-id loader --key loader.key.json --group half -o ./export",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			o.URL = args[0]
			switch {
			case o.GroupID != "":
				o.Level = bulkdata.Group
			case system:
				o.Level = bulkdata.System
			default:
				o.Level = bulkdata.Patient
			}
			if o.ClientID != "" {
				key, err := os.ReadFile(keyFile)
				if err != nil {
					return &exitError{exitUsage, fmt.Errorf("--key: %w", err)}
				}
				o.Key = key
			}
			o.Progress = func(s string) { fmt.Fprintln(a.stderr, "…", s) }
			res, err := pull.Run(c.Context(), o)
			if err != nil {
				return err
			}
			printFiles(a, res)
			if len(res.Errors) > 0 {
				return &exitError{code: 3}
			}
			return nil
		},
	}
	f := c.Flags()
	f.StringVar(&o.ClientID, "client-id", "", "client id")
	f.StringVar(&keyFile, "key", "", "file with the private JWK")
	f.StringVar(&o.GroupID, "group", "", "export this Group")
	f.BoolVar(&patients, "patients", true, "export all patients (the default)")
	f.BoolVar(&system, "system", false, "export the whole system")
	f.StringSliceVar(&o.Types, "type", nil, "resource types; none: all")
	f.StringVar(&o.Since, "since", "", "only what changed after this instant")
	f.StringVarP(&o.Dir, "out", "o", "sluice-export", "folder for the files")
	return c
}

func printFiles(a *app, res *pull.Result) {
	w := tabwriter.NewWriter(a.stdout, 0, 4, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "TYPE\tROWS\tBYTES\tFILE\t")
	var rows, bytes int64
	for _, f := range append(append([]pull.File{}, res.Output...), res.Errors...) {
		fmt.Fprintf(w, "%s\t%d\t%d\t%s\t\n", f.Type, f.Lines, f.Bytes, f.Path)
		rows, bytes = rows+f.Lines, bytes+f.Bytes
	}
	fmt.Fprintf(w, "total\t%d\t%d\t%d files\t\n", rows, bytes, len(res.Output)+len(res.Errors))
	_ = w.Flush()
}
