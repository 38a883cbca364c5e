package config

// Config is the whole configuration of one process. The order of the fields is the order of the file and of the printed form.
type Config struct {
	Server   Server   `yaml:"server"`
	Upstream Upstream `yaml:"upstream"`
	State    State    `yaml:"state"`
	Storage  Storage  `yaml:"storage"`
	Export   Export   `yaml:"export"`
	Auth     Auth     `yaml:"auth"`
	Audit    Audit    `yaml:"audit"`
	Log      Log      `yaml:"log"`

	// Workers is how many chunks this process works on at once. Memory grows by about 20 MiB with each.
	Workers int `yaml:"workers"`

	origins  map[string]origin // where each value that is no default came from, by path
	warnings []string          // what Load saw besides
}

// Default returns the configuration without a file or environment. Only upstream.url is missing to run it.
func Default() *Config {
	return &Config{
		Server:   defaultServer(),
		Upstream: defaultUpstream(),
		Storage:  Storage{URL: "file:./sluice-data"},
		Export:   defaultExport(),
		Auth:     defaultAuth(),
		Audit:    Audit{Dir: "./sluice-audit", OnFailure: "closed"},
		Log:      Log{Format: "auto", Level: "info"},
		Workers:  4,
	}
}

// Validate checks each section and the rules between them. The error is Problems, all there are.
func (c *Config) Validate() error {
	k := &check{origins: c.origins}
	c.validate(k)
	return k.err()
}

func (c *Config) validate(k *check) {
	c.Server.validate(k)
	c.Upstream.validate(k)
	c.State.validate(k)
	c.Storage.validate(k)
	c.Export.validate(k)
	c.Auth.validate(k)
	c.Audit.validate(k)
	c.Log.validate(k)
	k.between("workers", c.Workers, 1, 256)
}
