package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"sluice/bulkdata"
	"sluice/cmd/sluice/pull"
	"sluice/fhir"
)

// exitWithErrorFiles says that a pull is finished and that there are error files.
const exitWithErrorFiles = 3

// pullFlags are the flags of pull that are not Options by themselves.
type pullFlags struct {
	pull.Options
	keyFile, caFile, resume string
	patients, system        bool
	noAuth, asJSON, quiet   bool
}

func newPullCommand(a *app) *cobra.Command {
	p := &pullFlags{}
	c := &cobra.Command{
		Use:   "pull URL",
		Short: "Export from a Bulk Data server and download the files",
		Long: `A Bulk Data client for any server of the Bulk Data Access guide, URL being its FHIR base: token, kick-off, polling, parallel downloads.
Every line is checked to be JSON of the right type, and every count against the manifest. The folder then holds the files, inflated, and
the server's manifest.json.

Interrupted (Ctrl-C) while the server exports, the export is deleted there; while files are downloaded, the same command goes on
where it was, also after a crash.

With --json, one object is printed: transactionTime, status (the status URL), output, deleted and error (each a list of files with type,
path, rows, bytes and sha256), and issues (severity, code, text and count of what the error files say).

Exit codes: 0 done, 1 a problem, 2 wrong usage, 3 done, but there are error files.`,
		Example: `  sluice pull http://127.0.0.1:8080/fhir --client-id loader --key loader.key.json --group diabetes -o ./export
  sluice pull https://bulk.example.org/fhir --client-id loader --key loader.pem --patients --type Patient,Observation --since 2026-03-01T00:00:00Z
  sluice pull https://bulk.example.org/fhir --no-auth --system --json`,
		Args: oneArg("the FHIR base of the server"),
		RunE: func(c *cobra.Command, args []string) error {
			p.URL = args[0]
			if err := p.complete(c); err != nil {
				return err
			}
			return a.pull(c, p)
		},
	}
	f := c.Flags()
	f.StringVar(&p.ClientID, "client-id", "", "client id")
	f.StringVar(&p.keyFile, "key", "", "file with the private key: JWK, JWK set or PEM")
	f.StringVar(&p.KID, "kid", "", "kid of the key at the server; default: the JWK's own, else its thumbprint")
	f.BoolVar(&p.noAuth, "no-auth", false, "the server wants no token")
	f.StringVar(&p.TokenURL, "token-url", "", "token endpoint; default: as the server's smart-configuration says")
	f.StringVar(&p.Scope, "scope", "", "scope to ask for; default: system/*.rs, or system/*.read for a server that knows no other")
	f.StringSliceVar(&p.TokenOrigins, "trust", nil, "another origin that may see the token, for a file server of its own (https://files.example.org)")
	f.StringVar(&p.GroupID, "group", "", "export the patients of this Group")
	f.BoolVar(&p.patients, "patients", false, "export all patients (the default)")
	f.BoolVar(&p.system, "system", false, "export the whole system")
	f.StringSliceVar(&p.Types, "type", nil, "resource types, comma-separated; none: all")
	f.StringVar(&p.Since, "since", "", "only what changed after this instant, such as 2026-03-01T00:00:00Z")
	f.StringVarP(&p.Dir, "out", "o", "sluice-export", "folder for the files; one pull each")
	f.StringVar(&p.caFile, "ca", "", "file with the certificates (PEM) of a private CA to trust besides the system's")
	f.IntVar(&p.Parallel, "parallel", 4, "files downloaded at once")
	f.BoolVar(&p.NoGzip, "no-gzip", false, "ask for uncompressed files")
	f.DurationVar(&p.Patience, "patience", 5*time.Minute, "how long a server that does not answer is asked again")
	f.BoolVar(&p.Detach, "detach", false, "leave the export running on the server when interrupted")
	f.StringVar(&p.resume, "resume", "", "go on with the export of this status URL instead of starting one")
	f.BoolVar(&p.asJSON, "json", false, "print the result as JSON, and no progress")
	f.BoolVarP(&p.quiet, "quiet", "q", false, "print problems only")
	return c
}

// complete checks the flags and reads the files they name.
func (p *pullFlags) complete(c *cobra.Command) error {
	levels := 0
	for _, given := range []bool{p.GroupID != "", p.patients, p.system} {
		if given {
			levels++
		}
	}
	switch {
	case levels > 1:
		return usagef(c, "choose one of --group, --patients and --system")
	case p.resume != "" && (levels > 0 || len(p.Types) > 0 || p.Since != ""):
		return usagef(c, "--resume goes on with an export as it was started: leave --group, --patients, --system, --type and --since out")
	case p.noAuth && (p.ClientID != "" || p.keyFile != ""):
		return usagef(c, "choose --no-auth, or --client-id and --key")
	case !p.noAuth && (p.ClientID == "" || p.keyFile == ""):
		return usagef(c, "name the client with --client-id and --key, or say --no-auth")
	case p.Parallel < 1 || p.Parallel > 64:
		return usagef(c, "--parallel: want 1 to 64")
	}
	p.Level = bulkdata.Patient
	if p.GroupID != "" {
		p.Level = bulkdata.Group
	} else if p.system {
		p.Level = bulkdata.System
	}
	if p.Since != "" {
		if _, err := fhir.ParseInstant(p.Since); err != nil {
			return usagef(c, "--since: want an instant with seconds and zone, such as 2026-03-01T00:00:00Z")
		}
	}
	if p.keyFile != "" {
		key, err := os.ReadFile(p.keyFile)
		if err != nil {
			return usagef(c, "--key: %w", err)
		}
		p.Key = key
	}
	if p.caFile != "" {
		roots, err := rootsWith(p.caFile)
		if err != nil {
			return usagef(c, "--ca: %w", err)
		}
		p.HTTP = &http.Client{Transport: pull.NewTransport(roots)}
	}
	return nil
}

// rootsWith returns the system's trusted certificates and those of a file.
func rootsWith(file string) (*x509.CertPool, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate in PEM", file)
	}
	return roots, nil
}

// pull runs it and shows how it goes and what came of it.
func (a *app) pull(c *cobra.Command, p *pullFlags) error {
	show := a.newDisplay(p.quiet || p.asJSON)
	p.Progress, p.Reporter = show.line, show
	var res *pull.Result
	var err error
	if p.resume != "" {
		res, err = pull.Resume(c.Context(), p.Options, p.resume)
	} else {
		res, err = pull.Run(c.Context(), p.Options)
	}
	show.close()
	switch {
	case err != nil:
		return withHint(err, p)
	case p.asJSON:
		if err := printJSON(a.stdout, res); err != nil {
			return err
		}
	case !p.quiet:
		printFiles(a, res)
		printIssues(a, res)
	}
	if len(res.Errors) > 0 {
		return &exitError{exitWithErrorFiles, fmt.Errorf("done, but the server wrote error files: %d issues in %d files", countIssues(res), len(res.Errors))}
	}
	return nil
}

// withHint adds what to do next to errors that have a likely cause.
func withHint(err error, p *pullFlags) error {
	token, isToken := errors.AsType[*pull.TokenError](err)
	_, unknownCA := errors.AsType[x509.UnknownAuthorityError](err)
	switch {
	case isToken && token.Code == "invalid_client":
		return fmt.Errorf("%w\nhint: is the public half of --key registered for %s there (with that kid), and is the clock right?", err, p.ClientID)
	case isToken && token.Code == "invalid_scope":
		return fmt.Errorf("%w\nhint: name a scope the client is registered for with --scope", err)
	case unknownCA:
		return fmt.Errorf("%w\nhint: name the server's CA with --ca", err)
	case pull.Begun(p.Dir):
		return fmt.Errorf("%w\nhint: the same command goes on from here", err)
	}
	return err
}

func printFiles(a *app, res *pull.Result) {
	w := tabwriter.NewWriter(a.stdout, 0, 4, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "TYPE\tROWS\tBYTES\tFILE\t")
	var rows, bytes int64
	all := res.Files()
	for _, f := range all {
		fmt.Fprintf(w, "%s\t%d\t%d\t%s\t\n", f.Type, f.Lines, f.Bytes, f.Path)
		rows, bytes = rows+f.Lines, bytes+f.Bytes
	}
	fmt.Fprintf(w, "total\t%d\t%d\t%d files\t\n", rows, bytes, len(all))
	_ = w.Flush()
}

// printIssues prints what the error files say, the most frequent first.
func printIssues(a *app, res *pull.Result) {
	const most = 20
	for i, is := range res.Issues {
		if i == 0 {
			fmt.Fprintln(a.stdout, "\nThe error files say:")
		}
		if i == most {
			fmt.Fprintf(a.stdout, "  and %d other kinds of issues\n", len(res.Issues)-most)
			return
		}
		fmt.Fprintf(a.stdout, "%7d × %s %s: %s\n", is.Count, is.Severity, is.Code, is.Text)
	}
}

func countIssues(res *pull.Result) (n int64) {
	for _, is := range res.Issues {
		n += is.Count
	}
	return n
}
