package auth

import (
	"context"
	"encoding/json"
)

// FileRegistry is a Registry of one YAML file a client in a directory.
type FileRegistry struct{ dir string }

var _ Registry = (*FileRegistry)(nil)

// Problem is one client file that cannot be used, and why.
type Problem struct {
	File   string `json:"file"`
	Reason string `json:"reason"`
}

// NewFileRegistry reads the directory at first use; it need not exist yet.
func NewFileRegistry(dir string) *FileRegistry { return &FileRegistry{dir: dir} }

// Client implements Registry.
func (r *FileRegistry) Client(ctx context.Context, id string) (*Client, error) { return nil, nil }

// Clients implements Registry.
func (r *FileRegistry) Clients(ctx context.Context) ([]*Client, error) { return nil, nil }

// Problems lists the files that disable their client, by name.
func (r *FileRegistry) Problems() []Problem { return nil }

// Add writes a new client file; ErrClientExists when the id is taken.
func (r *FileRegistry) Add(ctx context.Context, c *Client) error { return nil }

// SetEnabled switches a client on or off.
func (r *FileRegistry) SetEnabled(ctx context.Context, id string, enabled bool) error { return nil }

// Rotate replaces the inline key set of a client.
func (r *FileRegistry) Rotate(ctx context.Context, id string, jwks json.RawMessage) error { return nil }
