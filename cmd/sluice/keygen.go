package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"sluice/auth"
)

func newKeygenCommand(a *app) *cobra.Command {
	var alg, out string
	c := &cobra.Command{
		Use:     "keygen",
		Short:   "Make a key pair for a client",
		Long:    "Makes a key pair. The private JWK goes to the file named by -o, the public JWK set to standard output.",
		Example: "  sluice keygen -o client.key.json > client.jwks.json",
		Args:    noArgs,
		RunE: func(*cobra.Command, []string) error {
			private, public, _, err := auth.GenerateKey(alg)
			if err != nil {
				return &exitError{exitUsage, err}
			}
			f, err := os.OpenFile(out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
			if err != nil {
				return err
			}
			if _, err = f.Write(append(private, '\n')); err == nil {
				err = f.Sync()
			}
			if cerr := f.Close(); err == nil {
				err = cerr
			}
			if err != nil {
				return err
			}
			jwks, err := publicSet(public)
			fmt.Fprintln(a.stdout, string(jwks))
			return err
		},
	}
	c.Flags().StringVar(&alg, "alg", "ES384", "ES384 or RS384")
	c.Flags().StringVarP(&out, "out", "o", "sluice-client.key.json", "file for the private key; must not exist yet")
	return c
}

// publicSet returns the JWK set with one public key.
func publicSet(public json.RawMessage) (json.RawMessage, error) {
	return json.Marshal(map[string]any{"keys": []json.RawMessage{public}})
}
