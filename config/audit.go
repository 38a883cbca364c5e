package config

// Audit is the log of who asked for what and who got it.
type Audit struct {
	// Dir is the folder of the log. One process at a time writes it.
	Dir string `yaml:"dir"`
	// OnFailure is what happens while the log cannot be written: closed (no export and no download) or open (they go on, and the fault is shown).
	OnFailure string `yaml:"on_failure"`
}

func (a *Audit) validate(k *check) {
	if a.Dir == "" {
		k.say("audit.dir", "missing, expected a folder")
	}
	k.oneOf("audit.on_failure", a.OnFailure, "closed", "open")
}
