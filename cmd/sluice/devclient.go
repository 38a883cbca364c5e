package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"sluice/auth"
	"sluice/config"
)

// developmentClient is the id of the client that a trial run registers for itself.
const developmentClient = "development"

// offerDevelopmentClient registers a client that may export everything, once, and prints how to use it.
func (a *app) offerDevelopmentClient(ctx context.Context, cfg *config.Config) error {
	dir, ok := cfg.Storage.Dir()
	if !ok {
		return nil
	}
	keyFile := filepath.Join(dir, "development-client.key.json")
	registry := auth.NewFileRegistry(cfg.Auth.ClientsDir)
	_, err := registry.Client(ctx, developmentClient)
	_, keyErr := os.Stat(keyFile)
	if errors.Is(keyErr, fs.ErrNotExist) || err != nil {
		if err := newClientWithKey(ctx, registry, developmentClient, keyFile, err == nil); err != nil {
			return fmt.Errorf("development client: %w", err)
		}
	}
	fmt.Fprintf(a.stdout, `
A development client may export everything from this trial. Its key is in
  %s
Try it in another terminal:
  sluice pull %s --client-id %s --key %s --patients -o ./export

`, keyFile, cfg.Server.Base(), developmentClient, keyFile)
	return nil
}

// newClientWithKey makes a key pair, keeps the private key in keyFile and registers the public one.
func newClientWithKey(ctx context.Context, registry *auth.FileRegistry, id, keyFile string, exists bool) error {
	private, public, _, err := auth.GenerateKey("ES384")
	if err != nil {
		return err
	}
	jwks, err := publicSet(public)
	if err != nil {
		return err
	}
	if err := os.WriteFile(keyFile, append(private, '\n'), 0o600); err != nil {
		return err
	}
	if exists {
		return registry.Rotate(ctx, id, jwks)
	}
	return registry.Add(ctx, &auth.Client{ID: id, Name: "Development", Purpose: "trial", JWKS: jwks, Scopes: []string{"system/*.rs"}, Enabled: true})
}
