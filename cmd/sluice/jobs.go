package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func newJobsCommand(a *app) *cobra.Command {
	admin := "http://127.0.0.1:8081"
	var tokenFile string
	c := &cobra.Command{
		Use:     "jobs",
		Short:   "See, cancel and stop exports",
		Long:    "Asks the admin listener of a running gateway; the answers are JSON.",
		Example: "  sluice jobs list\n  sluice jobs show ID\n  sluice jobs cancel ID\n  sluice jobs stop",
	}
	c.PersistentFlags().StringVar(&admin, "admin", admin, "address of the admin listener")
	c.PersistentFlags().StringVar(&tokenFile, "admin-token-file", "", "file with the admin token")
	sub := func(use, short, method, path string, args cobra.PositionalArgs) *cobra.Command {
		return &cobra.Command{Use: use, Short: short, Args: args, Example: "  sluice jobs " + use, RunE: func(c *cobra.Command, args []string) error {
			address := strings.TrimSuffix(admin, "/") + path
			if len(args) > 0 {
				address += "/" + url.PathEscape(args[0])
			}
			return a.askAdmin(c.Context(), method, address, tokenFile)
		}}
	}
	c.AddCommand(
		sub("list", "List the exports", http.MethodGet, "/jobs", noArgs),
		sub("show ID", "Show one export", http.MethodGet, "/jobs", cobra.ExactArgs(1)),
		sub("cancel ID", "Cancel an export and remove its files", http.MethodDelete, "/jobs", cobra.ExactArgs(1)),
		sub("stop", "Stop the work on all exports, in all replicas, within about two seconds; what is read is kept", http.MethodPut, "/stop", noArgs),
		sub("resume", "Let all exports go on", http.MethodDelete, "/stop", noArgs),
	)
	return c
}

// askAdmin sends one request to the admin listener and prints the answer.
func (a *app) askAdmin(ctx context.Context, method, address, tokenFile string) error {
	req, err := http.NewRequestWithContext(ctx, method, address, nil)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	if tokenFile != "" {
		token, err := os.ReadFile(tokenFile)
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	}
	res, err := (&http.Client{Timeout: 30 * time.Second}).Do(req)
	if err != nil {
		return fmt.Errorf("%w\nhint: is the gateway running, and is --admin its server.admin_listen?", err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 64<<20))
	if err != nil {
		return err
	}
	if res.StatusCode >= 300 {
		return fmt.Errorf("the gateway answered %s: %s", res.Status, strings.TrimSpace(string(body)))
	}
	if text := strings.TrimSpace(string(body)); text != "" {
		fmt.Fprintln(a.stdout, text)
	} else {
		fmt.Fprintln(a.stdout, "done")
	}
	return nil
}
