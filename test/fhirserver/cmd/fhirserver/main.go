// Command fhirserver runs the fake FHIR server in a process of its own, for
// tests that kill it and for load.
//
//	fhirserver -listen 127.0.0.1:0 -patients 500 -extras
//
// It prints the base URL on one line when it is ready. Beside the base it serves
// GET /_counts, POST /_counts/reset and GET /_oracle/{system|patient|group}.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"sluice/test/fhirserver"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run serves until ctx ends; it returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("fhirserver", flag.ContinueOnError)
	flags.SetOutput(stderr)
	var o fhirserver.Options
	listen := flags.String("listen", "127.0.0.1:0", "address to listen on")
	data := flags.String("data", "", "folder of *.ndjson; default: the ten bundled patients")
	flags.StringVar(&o.Base, "base", "/fhir", "path of the FHIR base")
	flags.StringVar(&o.PublicBase, "public-base", "", "absolute URL of the base; default: where it listens")
	flags.IntVar(&o.Patients, "patients", 0, "multiply or cut the data to this many patients; 0: as they are")
	flags.BoolVar(&o.Extras, "extras", false, "add the rows that are awkward on purpose")
	flags.BoolVar(&o.Dangling, "dangling", false, "add a row that refers to what is not there")
	flags.IntVar(&o.DefaultCount, "count", 20, "page size without _count")
	flags.IntVar(&o.MaxCount, "max-count", 1000, "cap of _count")
	flags.DurationVar(&o.Delay, "delay", 0, "wait this long before each answer")
	flags.DurationVar(&o.SearchTTL, "search-ttl", time.Hour, "how long a search can be paged")
	flags.IntVar(&o.MaxSearches, "max-searches", 10_000, "how many searches are kept")
	flags.BoolVar(&o.Gzip, "gzip", false, "compress answers for clients that accept it")
	flags.BoolVar(&o.Pretty, "pretty", false, "indent answers")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if err := serve(ctx, *listen, *data, o, stdout); err != nil {
		fmt.Fprintln(stderr, err)
		return 1
	}
	return 0
}

func serve(ctx context.Context, listen, data string, o fhirserver.Options, stdout io.Writer) error {
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	if o.PublicBase == "" {
		o.PublicBase = "http://" + l.Addr().String() + o.Base
	}
	s, err := load(o, data)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	srv := &http.Server{
		Handler: s.Handler(), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	fmt.Fprintln(stdout, o.PublicBase)
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(l) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	err = srv.Close()
	<-failed
	return err
}

func load(o fhirserver.Options, data string) (*fhirserver.Server, error) {
	if data == "" {
		return fhirserver.New(o)
	}
	return fhirserver.Load(o, os.DirFS(data))
}
