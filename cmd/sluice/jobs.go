package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// jobsCommands ask the admin listener of a running gateway.
type jobsCommands struct {
	*app
	admin     string
	tokenFile string
	json      bool
}

func newJobsCommand(a *app) *cobra.Command {
	j := &jobsCommands{app: a}
	c := &cobra.Command{
		Use:   "jobs",
		Short: "See, cancel, retry and stop exports",
		Long: "Asks the admin listener of a running gateway. With --json the answers are printed as they come.\n\n" +
			"Exit codes: 0 done, 1 a problem, 2 wrong usage.",
		Example: "  sluice jobs list\n  sluice jobs show ID\n  sluice jobs cancel ID\n  sluice jobs retry ID\n  sluice jobs stop",
	}
	c.PersistentFlags().StringVar(&j.admin, "admin", "http://127.0.0.1:8081", "address of the admin listener")
	c.PersistentFlags().StringVar(&j.tokenFile, "admin-token-file", "", "file with the admin token")
	c.PersistentFlags().BoolVar(&j.json, "json", false, "print the answer as JSON")
	sub := func(use, short, method, path string, args cobra.PositionalArgs, show func(w io.Writer, body []byte) error) *cobra.Command {
		return &cobra.Command{Use: use, Short: short, Args: args, Example: "  sluice jobs " + use, RunE: func(c *cobra.Command, args []string) error {
			target := path
			if len(args) > 0 {
				target = strings.Replace(path, "{id}", url.PathEscape(args[0]), 1)
			}
			body, err := j.ask(c.Context(), method, target)
			if err != nil {
				return err
			}
			if j.json {
				_, err = fmt.Fprintln(j.stdout, strings.TrimSpace(string(body)))
				return err
			}
			return show(j.stdout, body)
		}}
	}
	c.AddCommand(
		sub("list", "List the exports", http.MethodGet, "/jobs", noArgs, showJobs),
		sub("show ID", "Show one export: progress, rows by type, files, what failed", http.MethodGet, "/jobs/{id}", cobra.ExactArgs(1), showJob),
		sub("cancel ID", "Cancel an export and remove its files", http.MethodDelete, "/jobs/{id}", cobra.ExactArgs(1), showDone),
		sub("retry ID", "Make a new export of only what an ended one could not read", http.MethodPost, "/jobs/{id}/retry", cobra.ExactArgs(1), showRetried),
		sub("stop", "Stop the work on all exports, in all replicas, within about two seconds; what is read is kept", http.MethodPut, "/stop", noArgs, showDone),
		sub("resume", "Let all exports go on", http.MethodDelete, "/stop", noArgs, showDone),
	)
	return c
}

// ask sends one request to the admin listener and returns the body of the answer.
func (j *jobsCommands) ask(ctx context.Context, method, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(j.admin, "/")+path, nil)
	if err != nil {
		return nil, &exitError{exitUsage, err}
	}
	if j.tokenFile != "" {
		token, err := os.ReadFile(j.tokenFile)
		if err != nil {
			return nil, err
		}
		req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	}
	res, err := (&http.Client{Timeout: 30 * time.Second}).Do(req)
	if err != nil {
		return nil, fmt.Errorf("%w\nhint: is the gateway running, and is --admin its server.admin_listen?", err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 64<<20))
	if err != nil {
		return nil, err
	}
	if res.StatusCode >= 300 {
		return nil, fmt.Errorf("the gateway answered %s: %s", res.Status, reasonOf(body))
	}
	return body, nil
}

// reasonOf is what an error or an OperationOutcome says, or the body as it is.
func reasonOf(body []byte) string {
	var out struct {
		Error string `json:"error"`
		Issue []struct {
			Diagnostics string `json:"diagnostics"`
		} `json:"issue"`
	}
	switch err := json.Unmarshal(body, &out); {
	case err == nil && out.Error != "":
		return out.Error
	case err == nil && len(out.Issue) > 0 && out.Issue[0].Diagnostics != "":
		return out.Issue[0].Diagnostics
	}
	return strings.TrimSpace(string(body))
}
