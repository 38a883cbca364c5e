package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"sluice/auth"
)

func newClientCommand(a *app) *cobra.Command {
	r := &clientCommands{app: a}
	c := &cobra.Command{
		Use:   "client",
		Short: "Register clients and change their rights",
		Long: `Works on the client files of auth.clients_dir; a running gateway picks changes up by itself, within about a second.

Exit codes: 0 done, 1 a problem, 2 wrong usage.`,
		Example: "  sluice client add loader --generate loader.key.json --group diabetes\n  sluice client list\n  sluice client disable loader",
	}
	c.PersistentFlags().StringVar(&r.dir, "dir", "", "folder of client files; default: auth.clients_dir of the configuration")
	c.AddCommand(
		r.add(), r.list(), r.show(),
		r.onOff("enable", "Let a client in again", true), r.onOff("disable", "Keep a client out, at once; its tokens stop working", false),
		r.rotate(),
	)
	return c
}

// clientCommands is what the subcommands share.
type clientCommands struct {
	*app
	dir string
}

func (r *clientCommands) registry() (*auth.FileRegistry, error) {
	if r.dir == "" {
		cfg, err := r.load()
		if err != nil {
			return nil, fmt.Errorf("%w\nhint: name the configuration with --config, or the folder of client files with --dir", err)
		}
		r.dir = cfg.Auth.ClientsDir
	}
	return auth.NewFileRegistry(r.dir), nil
}

// named adds what to do to the errors that a wrong id gives.
func (r *clientCommands) named(id string, err error) error {
	switch {
	case errors.Is(err, auth.ErrUnknownClient):
		return fmt.Errorf("client %s: %w\nhint: sluice client list", id, err)
	case errors.Is(err, auth.ErrClientExists):
		return fmt.Errorf("%w\nhint: give it other keys with sluice client rotate, or other rights in %s", err, filepath.Join(r.dir, id+".yaml"))
	}
	return err
}

func (r *clientCommands) add() *cobra.Command {
	cl := &auth.Client{Enabled: true}
	var k keyFlags
	c := &cobra.Command{
		Use: "add ID", Short: "Register a client", Args: oneArg("the client id"),
		Long: `Registers a client. Its public keys come from one of: a file, its own https address, or a key pair made here.

Exit codes: 0 done, 1 a problem (such as an id that is taken), 2 wrong usage.`,
		Example: `  sluice client add loader --jwks loader.jwks.json --group diabetes --purpose "registry of diabetes"
  sluice client add loader --jwks-uri https://loader.example.org/jwks.json --scope system/Patient.rs --scope system/Observation.rs
  sluice client add loader --generate loader.key.json`,
		RunE: func(c *cobra.Command, args []string) error {
			given := 0
			for _, s := range []string{k.file, k.generate, cl.JWKSURI} {
				if s != "" {
					given++
				}
			}
			if given != 1 {
				return usagef(c, "a client needs a key: exactly one of --jwks, --jwks-uri and --generate")
			}
			reg, err := r.registry()
			if err != nil {
				return err
			}
			if cl.JWKS, err = k.set(); err != nil {
				return err
			}
			cl.ID = args[0]
			if err := reg.Add(c.Context(), cl); err != nil {
				return k.undo(r.named(cl.ID, err))
			}
			fmt.Fprintf(r.stderr, "client %s may ask for %s; its file is %s\n", cl.ID, strings.Join(cl.Scopes, " "), filepath.Join(r.dir, cl.ID+".yaml"))
			return nil
		},
	}
	f := c.Flags()
	k.flags(c)
	f.StringVar(&cl.JWKSURI, "jwks-uri", "", "https address of the client's public JWK set")
	f.StringSliceVar(&cl.Scopes, "scope", []string{"system/*.rs"}, "scopes the client may ask for")
	f.StringSliceVar(&cl.Groups, "group", nil, "Groups the client may export; none named: any")
	f.StringVar(&cl.Name, "name", "", "name for people")
	f.StringVar(&cl.Contact, "contact", "", "whom to ask")
	f.StringVar(&cl.Purpose, "purpose", "", "purpose, for the accounting of disclosures")
	return c
}

func (r *clientCommands) onOff(verb, short string, enabled bool) *cobra.Command {
	return &cobra.Command{
		Use: verb + " ID", Short: short, Args: oneArg("the client id"),
		Long:    short + ".\n\nExit codes: 0 done, 1 unknown client or a problem, 2 wrong usage.",
		Example: "  sluice client " + verb + " loader",
		RunE: func(c *cobra.Command, args []string) error {
			reg, err := r.registry()
			if err != nil {
				return err
			}
			return r.named(args[0], reg.SetEnabled(c.Context(), args[0], enabled))
		},
	}
}
