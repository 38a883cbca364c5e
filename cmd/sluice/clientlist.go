package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"sluice/auth"
)

func (r *clientCommands) list() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "list", Short: "List the clients", Args: noArgs,
		Long:    "Lists the clients, and the files that cannot be used.\n\nExit codes: 0 done, 1 a problem, also a file that cannot be used, 2 wrong usage.",
		Example: "  sluice client list\n  sluice client list --json",
		RunE: func(c *cobra.Command, _ []string) error {
			reg, err := r.registry()
			if err != nil {
				return err
			}
			all, err := reg.Clients(c.Context())
			if err != nil {
				return err
			}
			problems := reg.Problems()
			if asJSON {
				if err := printJSON(r.stdout, map[string]any{"clients": append([]*auth.Client{}, all...), "problems": append([]auth.Problem{}, problems...)}); err != nil {
					return err
				}
			} else {
				w := tabwriter.NewWriter(r.stdout, 0, 4, 2, ' ', 0)
				fmt.Fprintln(w, "ID\tENABLED\tSCOPES\tGROUPS\tNAME")
				for _, cl := range all {
					fmt.Fprintf(w, "%s\t%t\t%s\t%s\t%s\n", cl.ID, cl.Enabled, strings.Join(cl.Scopes, " "), groupsOf(cl), cl.Name)
				}
				if err := w.Flush(); err != nil {
					return err
				}
			}
			if len(problems) == 0 {
				return nil
			}
			var lines []string
			for _, p := range problems {
				lines = append(lines, p.File+": "+p.Reason)
			}
			return &exitError{exitProblem, errors.New(strings.Join(lines, "\nsluice: "))}
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object: clients, problems")
	return c
}

func groupsOf(cl *auth.Client) string {
	if len(cl.Groups) == 0 {
		return "any"
	}
	return strings.Join(cl.Groups, " ")
}

func (r *clientCommands) show() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "show ID", Short: "Show a client", Args: oneArg("the client id"),
		Long:    "Shows a client: rights, and which keys it has.\n\nExit codes: 0 done, 1 unknown client or a problem, 2 wrong usage.",
		Example: "  sluice client show loader\n  sluice client show loader --json",
		RunE: func(c *cobra.Command, args []string) error {
			reg, err := r.registry()
			if err != nil {
				return err
			}
			cl, err := reg.Client(c.Context(), args[0])
			if err != nil {
				return r.named(args[0], err)
			}
			if asJSON {
				return printJSON(r.stdout, cl)
			}
			w := tabwriter.NewWriter(r.stdout, 0, 4, 2, ' ', 0)
			for _, row := range [][2]string{
				{"id", cl.ID}, {"name", cl.Name}, {"contact", cl.Contact}, {"purpose", cl.Purpose}, {"enabled", fmt.Sprint(cl.Enabled)},
				{"scopes", strings.Join(cl.Scopes, " ")}, {"groups", groupsOf(cl)}, {"jwks_uri", cl.JWKSURI}, {"jwks_file", cl.JWKSFile},
				{"keys", strings.Join(kids(cl.JWKS), " ")},
			} {
				if row[1] != "" {
					fmt.Fprintf(w, "%s\t%s\n", row[0], row[1])
				}
			}
			return w.Flush()
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print the client as JSON, with its public keys")
	return c
}

// kids names the keys of a set.
func kids(jwks json.RawMessage) []string {
	var set struct {
		Keys []struct {
			KID string `json:"kid"`
		} `json:"keys"`
	}
	_ = json.Unmarshal(jwks, &set) // the registry has read it before
	var ids []string
	for _, k := range set.Keys {
		ids = append(ids, k.KID)
	}
	return ids
}
