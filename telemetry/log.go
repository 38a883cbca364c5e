package telemetry

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/lmittmann/tint"
	"golang.org/x/term"
)

// LogOptions say where and how to log.
type LogOptions struct {
	Output io.Writer // default os.Stderr
	Format string    // "auto" (default: terminal if Output is one, else text), "terminal", "text", "json"
	Level  string    // "debug", "info" (default), "warn", "error"
	Color  bool      // of the format terminal when it was asked for by name; auto decides itself
}

// NewLogger returns a logger that redacts.
func NewLogger(o LogOptions) (*slog.Logger, error) {
	if o.Output == nil {
		o.Output = os.Stderr
	}
	var level slog.Level
	if o.Level != "" {
		if err := level.UnmarshalText([]byte(o.Level)); err != nil {
			return nil, fmt.Errorf("log level %q: want debug, info, warn or error", o.Level)
		}
	}
	if o.Format == "" || o.Format == "auto" {
		o.Format = "text"
		if isTerminal(o.Output) {
			o.Format, o.Color = "terminal", os.Getenv("NO_COLOR") == ""
		}
	}
	var h slog.Handler
	switch o.Format {
	case "terminal":
		h = tint.NewTextHandler(o.Output, &tint.Options{Level: level, TimeFormat: time.TimeOnly, NoColor: !o.Color})
	case "text":
		h = slog.NewTextHandler(o.Output, &slog.HandlerOptions{Level: level})
	case "json":
		h = slog.NewJSONHandler(o.Output, &slog.HandlerOptions{Level: level})
	default:
		return nil, fmt.Errorf("log format %q: want auto, terminal, text or json", o.Format)
	}
	return slog.New(Redact(h)), nil
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
