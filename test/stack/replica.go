package stack

import (
	"context"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"go.yaml.in/yaml/v4"

	"sluice/auth"
)

// Settings is the configuration as in sluice.yaml: "workers": 4, "upstream": Section{…}.
type Settings map[string]any

// Section is one section of Settings.
type Section = map[string]any

// Replica is one "sluice serve". It can be killed and started again on the same addresses and data.
type Replica struct {
	*Process
	Name          string
	Public, Admin string   // addresses
	Env           []string // of the next Start
	bin, config   string
	dir           string
}

// NewReplica writes the configuration of a replica into dir: the settings, and addresses and an audit log of its own.
func NewReplica(b Binaries, dir, name string, settings Settings) (*Replica, error) {
	r := &Replica{Name: name, bin: b.Sluice, dir: dir, config: filepath.Join(dir, name+".yaml")}
	var err error
	if r.Public, err = FreeAddr(); err != nil {
		return nil, err
	}
	if r.Admin, err = FreeAddr(); err != nil {
		return nil, err
	}
	own := maps.Clone(settings)
	server := Section{"listen": r.Public, "admin_listen": r.Admin}
	if given, ok := settings["server"].(Section); ok {
		maps.Copy(server, given)
	}
	own["server"] = server
	own["audit"] = Section{"dir": filepath.Join(dir, "audit-"+name)}
	text, err := yaml.Marshal(own)
	if err != nil {
		return nil, err
	}
	return r, os.WriteFile(r.config, text, 0o600)
}

// Start runs the replica and waits until it answers.
func (r *Replica) Start(ctx context.Context) error {
	if err := r.Launch(); err != nil {
		return err
	}
	ctx, done := context.WithTimeout(ctx, 30*time.Second)
	defer done()
	return until(ctx, r.Process, "alive", func() bool {
		res, err := controls.Get("http://" + r.Admin + "/healthz")
		if err != nil {
			return false
		}
		_ = res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
}

// Log is the file that the replica logs to.
func (r *Replica) Log() string { return filepath.Join(r.dir, r.Name+".log") }

// Use makes another program the one that the next Start runs.
func (r *Replica) Use(program string) { r.bin = program }

// Launch runs the replica and does not wait.
func (r *Replica) Launch() (err error) {
	r.Process, err = Start(r.Name, r.Log(), r.Env, nil, r.bin, "serve", "--config", r.config)
	return err
}

// AddClient registers a client that may export everything in the folder of client files and returns its private key.
func AddClient(ctx context.Context, clients, id string) ([]byte, error) {
	private, public, _, err := auth.GenerateKey("ES384")
	if err != nil {
		return nil, err
	}
	jwks := append(append([]byte(`{"keys":[`), public...), "]}"...)
	return private, auth.NewFileRegistry(clients).Add(ctx, &auth.Client{ID: id, Name: id, Purpose: "test", JWKS: jwks, Scopes: []string{"system/*.rs"}, Enabled: true})
}
