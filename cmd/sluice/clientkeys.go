package main

import (
	"encoding/json"
	"errors"
	"os"

	"github.com/spf13/cobra"
)

// keyFlags are the flags that say where a client's public keys come from.
type keyFlags struct{ file, generate string }

func (k *keyFlags) flags(c *cobra.Command) {
	c.Flags().StringVar(&k.file, "jwks", "", "file with the client's public JWK set")
	c.Flags().StringVar(&k.generate, "generate", "", "make a key pair (ES384) and write the private key to this new file")
}

// set returns the JWK set, nil when no flag was given.
func (k *keyFlags) set() (json.RawMessage, error) {
	switch {
	case k.generate != "":
		return makeKey("ES384", k.generate)
	case k.file != "":
		return os.ReadFile(k.file)
	}
	return nil, nil
}

// undo removes the private key of a client that could not be registered.
func (k *keyFlags) undo(err error) error {
	if k.generate == "" {
		return err
	}
	return errors.Join(err, os.Remove(k.generate))
}

func (r *clientCommands) rotate() *cobra.Command {
	var k keyFlags
	var keep bool
	c := &cobra.Command{
		Use: "rotate ID", Short: "Replace a client's keys", Args: oneArg("the client id"),
		Long: `Replaces the keys of a client whose keys are in its file. With --keep the old keys stay good besides the new; rotate once more without
it when the client has changed over.

Exit codes: 0 done, 1 unknown client or a problem, 2 wrong usage.`,
		Example: "  sluice client rotate loader --jwks new.jwks.json\n  sluice client rotate loader --generate new.key.json --keep",
		RunE: func(c *cobra.Command, args []string) error {
			if (k.file == "") == (k.generate == "") {
				return usagef(c, "name the new keys: exactly one of --jwks and --generate")
			}
			reg, err := r.registry()
			if err != nil {
				return err
			}
			jwks, err := k.set()
			if err != nil {
				return err
			}
			if keep {
				cl, err := reg.Client(c.Context(), args[0])
				if err != nil {
					return k.undo(r.named(args[0], err))
				}
				if jwks, err = bothSets(cl.JWKS, jwks); err != nil {
					return k.undo(err)
				}
			}
			if err := reg.Rotate(c.Context(), args[0], jwks); err != nil {
				return k.undo(r.named(args[0], err))
			}
			return nil
		},
	}
	k.flags(c)
	c.Flags().BoolVar(&keep, "keep", false, "let the old keys stay good, too")
	return c
}

// bothSets joins two JWK sets.
func bothSets(old, new json.RawMessage) (json.RawMessage, error) {
	var all []json.RawMessage
	for _, raw := range []json.RawMessage{old, new} {
		var set struct {
			Keys []json.RawMessage `json:"keys"`
		}
		if json.Unmarshal(raw, &set) != nil {
			return nil, errors.New("not a JWK set")
		}
		all = append(all, set.Keys...)
	}
	return publicSet(all...)
}
