package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"sluice/auth"
)

func newKeygenCommand(a *app) *cobra.Command {
	var alg, out string
	c := &cobra.Command{
		Use:   "keygen",
		Short: "Make a key pair for a client",
		Long: `Makes a key pair for SMART Backend Services. The private JWK goes to the file named by -o, readable by its owner only; the public JWK set,
which is what a server registers, to standard output.

Exit codes: 0 done, 1 the file cannot be written or exists, 2 wrong usage.`,
		Example: "  sluice keygen -o loader.key.json > loader.jwks.json\n  sluice keygen --alg RS384 -o loader.key.json > loader.jwks.json",
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if alg != "ES384" && alg != "RS384" {
				return usagef(c, "--alg %q: want ES384 or RS384", alg)
			}
			jwks, err := makeKey(alg, out)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(a.stdout, string(jwks))
			return err
		},
	}
	c.Flags().StringVar(&alg, "alg", "ES384", "ES384 or RS384")
	c.Flags().StringVarP(&out, "out", "o", "sluice-client.key.json", "file for the private key; must not exist yet")
	return c
}

// makeKey makes a key pair, writes the private JWK to a new file and returns the public JWK set.
func makeKey(alg, file string) (jwks json.RawMessage, err error) {
	private, public, _, err := auth.GenerateKey(alg)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("%s exists: a key is never overwritten", file)
	}
	if err != nil {
		return nil, err
	}
	_, err = f.Write(append(private, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return nil, errors.Join(err, os.Remove(file))
	}
	return publicSet(public)
}

// publicSet returns the JWK set with these public keys.
func publicSet(public ...json.RawMessage) (json.RawMessage, error) {
	return json.Marshal(map[string]any{"keys": public})
}
