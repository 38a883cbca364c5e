package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"text/tabwriter"

	"sluice/test/stack"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("load", flag.ContinueOnError)
	flags.SetOutput(stderr)
	short := flags.Bool("short", false, "only what shows that memory does not grow")
	asJSON := flags.Bool("json", false, "the results as JSON")
	most := flags.Float64("max-rss", 256, "most peak memory of the gateway, MiB, where memory is compared")
	spread := flags.Float64("spread", 10, "how far these peaks may lie apart, per cent")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	results, err := all(ctx, *short)
	if *asJSON {
		_ = json.NewEncoder(stdout).Encode(results)
	} else {
		table(stdout, results)
	}
	if err == nil {
		err = bounded(stdout, results, *most, *spread)
	}
	if err != nil {
		fmt.Fprintln(stderr, "FAIL:", err)
		return 1
	}
	return 0
}

func all(ctx context.Context, short bool) ([]result, error) {
	dir, err := os.MkdirTemp("", "sluice-load-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	b, err := stack.Build(ctx, dir, "")
	if err != nil {
		return nil, err
	}
	var results []result
	for n, s := range scenarios {
		if short && !s.short {
			continue
		}
		r, err := measure(ctx, b, filepath.Join(dir, fmt.Sprint(n)), s)
		if err != nil {
			return results, fmt.Errorf("%s: %w", s.name, err)
		}
		results = append(results, r)
	}
	return results, nil
}

func table(out io.Writer, results []result) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "scenario\trows\traw MB\tseconds\trows/s\trequests\tCPU s\tCPU s/1M rows\tpeak MiB\tyardstick ratio\t")
	for _, r := range results {
		fmt.Fprintf(w, "%s\t%d\t%.1f\t%.2f\t%.0f\t%d\t%.1f\t%.0f\t%.0f\t%.2f\t\n",
			r.Name, r.Rows, r.RawMB, r.Seconds, r.RowsPerS, r.Requests, r.CPU, r.CPU/float64(r.Rows)*1e6, r.PeakMiB, r.Ratio)
	}
	_ = w.Flush() // a terminal
}

// bounded holds the peaks against the bounds.
func bounded(out io.Writer, results []result, most, spread float64) error {
	low, high := 0.0, 0.0
	for _, r := range results {
		if !r.memory {
			continue
		}
		if low == 0 || r.PeakMiB < low {
			low = r.PeakMiB
		}
		high = max(high, r.PeakMiB)
	}
	apart := (high/low - 1) * 100
	fmt.Fprintf(out, "peak memory %.0f to %.0f MiB: %.1f %% apart (allowed: %.0f MiB, %.0f %%)\n", low, high, apart, most, spread)
	switch {
	case high > most:
		return fmt.Errorf("peak memory of %.0f MiB", high)
	case apart > spread:
		return fmt.Errorf("peak memory grows with the data: %.0f MiB and %.0f MiB", low, high)
	}
	return nil
}
