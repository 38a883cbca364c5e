package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"sluice/auth"
)

func newClientCommand(a *app) *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use:     "client",
		Short:   "Register clients and change their rights",
		Long:    "Works on the client files of auth.clients_dir; a running gateway picks changes up by itself.",
		Example: "  sluice client add loader --jwks client.jwks.json --scope 'system/*.rs'\n  sluice client list\n  sluice client disable loader",
	}
	c.PersistentFlags().StringVar(&dir, "dir", "", "folder of client files; default: auth.clients_dir of the configuration")
	registry := func() (*auth.FileRegistry, error) {
		if dir == "" {
			cfg, err := a.load()
			if err != nil {
				return nil, fmt.Errorf("%w\nhint: name the folder with --dir", err)
			}
			dir = cfg.Auth.ClientsDir
		}
		return auth.NewFileRegistry(dir), nil
	}
	c.AddCommand(
		clientAdd(registry), clientList(a, registry), clientShow(a, registry),
		clientSwitch("enable", "Let a client in again", true, registry), clientSwitch("disable", "Keep a client out, at once", false, registry),
		clientRotate(registry),
	)
	return c
}

type registryFunc func() (*auth.FileRegistry, error)

func clientAdd(registry registryFunc) *cobra.Command {
	cl := &auth.Client{Enabled: true}
	var jwks string
	c := &cobra.Command{
		Use: "add ID", Short: "Register a client", Args: cobra.ExactArgs(1),
		Example: "  sluice client add loader --jwks client.jwks.json --group diabetes --purpose research",
		RunE: func(c *cobra.Command, args []string) error {
			r, err := registry()
			if err != nil {
				return err
			}
			if jwks != "" {
				if cl.JWKS, err = os.ReadFile(jwks); err != nil {
					return err
				}
			}
			if jwks == "" && cl.JWKSURI == "" {
				return &exitError{exitUsage, fmt.Errorf("a client needs a key: --jwks FILE or --jwks-uri URL")}
			}
			cl.ID = args[0]
			return r.Add(c.Context(), cl)
		},
	}
	f := c.Flags()
	f.StringVar(&jwks, "jwks", "", "file with the client's public JWK set")
	f.StringVar(&cl.JWKSURI, "jwks-uri", "", "https address of the client's public JWK set")
	f.StringSliceVar(&cl.Scopes, "scope", []string{"system/*.rs"}, "scopes the client may ask for")
	f.StringSliceVar(&cl.Groups, "group", nil, "Groups the client may export; none named: any")
	f.StringVar(&cl.Name, "name", "", "name for people")
	f.StringVar(&cl.Contact, "contact", "", "whom to ask")
	f.StringVar(&cl.Purpose, "purpose", "", "purpose, for the accounting of disclosures")
	return c
}

func clientList(a *app, registry registryFunc) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the clients", Args: noArgs, Example: "  sluice client list",
		RunE: func(c *cobra.Command, _ []string) error {
			r, err := registry()
			if err != nil {
				return err
			}
			all, err := r.Clients(c.Context())
			if err != nil {
				return err
			}
			w := tabwriter.NewWriter(a.stdout, 0, 4, 2, ' ', 0)
			fmt.Fprintln(w, "ID\tENABLED\tSCOPES\tGROUPS\tNAME")
			for _, cl := range all {
				fmt.Fprintf(w, "%s\t%t\t%s\t%s\t%s\n", cl.ID, cl.Enabled, strings.Join(cl.Scopes, " "), strings.Join(cl.Groups, " "), cl.Name)
			}
			for _, p := range r.Problems() {
				fmt.Fprintln(a.stderr, "sluice:", p)
			}
			return w.Flush()
		},
	}
}

func clientShow(a *app, registry registryFunc) *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Show a client as JSON", Args: cobra.ExactArgs(1), Example: "  sluice client show loader",
		RunE: func(c *cobra.Command, args []string) error {
			r, err := registry()
			if err != nil {
				return err
			}
			cl, err := r.Client(c.Context(), args[0])
			if err != nil {
				return err
			}
			e := json.NewEncoder(a.stdout)
			e.SetIndent("", "  ")
			return e.Encode(cl)
		},
	}
}

func clientSwitch(verb, short string, enabled bool, registry registryFunc) *cobra.Command {
	return &cobra.Command{
		Use: verb + " ID", Short: short, Args: cobra.ExactArgs(1), Example: "  sluice client " + verb + " loader",
		RunE: func(c *cobra.Command, args []string) error {
			r, err := registry()
			if err != nil {
				return err
			}
			return r.SetEnabled(c.Context(), args[0], enabled)
		},
	}
}

func clientRotate(registry registryFunc) *cobra.Command {
	return &cobra.Command{
		Use: "rotate ID JWKS_FILE", Short: "Replace a client's keys", Args: cobra.ExactArgs(2), Example: "  sluice client rotate loader new.jwks.json",
		RunE: func(c *cobra.Command, args []string) error {
			r, err := registry()
			if err != nil {
				return err
			}
			jwks, err := os.ReadFile(args[1])
			if err != nil {
				return err
			}
			return r.Rotate(c.Context(), args[0], jwks)
		},
	}
}
