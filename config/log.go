package config

// Log is what the process says about itself, on standard error.
type Log struct {
	// Format is one of auto (terminal on a terminal, else text), terminal, text (key=value) or json.
	Format string `yaml:"format"`
	// Level is the least that is shown: debug, info, warn or error.
	Level string `yaml:"level"`
}

func (l *Log) validate(k *check) {
	k.oneOf("log.format", l.Format, "auto", "terminal", "text", "json")
	k.oneOf("log.level", l.Level, "debug", "info", "warn", "error")
}
