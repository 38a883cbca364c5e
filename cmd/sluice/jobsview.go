package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"sluice/gateway"
)

// showJobs prints the exports as a table.
func showJobs(w io.Writer, body []byte) error {
	var all struct {
		Jobs []gateway.JobView `json:"jobs"`
	}
	if err := json.Unmarshal(body, &all); err != nil {
		return fmt.Errorf("the answer is not understood: %w", err)
	}
	if len(all.Jobs) == 0 {
		_, err := fmt.Fprintln(w, "no exports")
		return err
	}
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "ID\tCLIENT\tOF\tSTATE\tPARTS\tPATIENTS\tROWS\tERRORS\tCREATED\tNOTE")
	for _, j := range all.Jobs {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%d\t%d\t%d\t%s\t%s\n",
			j.ID, j.Client, whatOf(j), j.State, partsOf(j), j.Patients, j.Rows, j.Errors, j.Created.Local().Format("2006-01-02 15:04"), j.Reason)
	}
	return t.Flush()
}

// showJob prints everything about one export.
func showJob(w io.Writer, body []byte) error {
	var j gateway.JobView
	if err := json.Unmarshal(body, &j); err != nil {
		return fmt.Errorf("the answer is not understood: %w", err)
	}
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	line := func(name string, value any) {
		if s := fmt.Sprint(value); s != "" {
			fmt.Fprintf(t, "%s\t%s\n", name, s)
		}
	}
	line("id", j.ID)
	line("client", j.Client)
	line("of", whatOf(j))
	line("state", j.State)
	line("note", j.Reason)
	line("retry of", j.RetryOf)
	line("created", moment(j.Created))
	line("last moved", moment(j.Updated))
	line("finished", moment(j.Finished))
	line("files kept until", moment(j.Expires))
	line("parts", partsOf(j))
	line("patients", j.Patients)
	line("rows", j.Rows)
	line("requests", j.Requests)
	line("errors", j.Errors)
	if j.Outcome != nil {
		out, err := json.Marshal(j.Outcome)
		if err != nil {
			return err
		}
		line("failed", reasonOf(out))
	}
	switch {
	case len(j.Sums) > 0:
		fmt.Fprintln(t, "\nTYPE\tROWS\tSEARCHES\tANNOUNCED\tSEEN\tFOREIGN\tOUTSIDE")
		for _, s := range j.Sums {
			fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t%d\t%d\n", s.Type, s.Rows, s.Chains, s.Expected, s.Seen, s.Foreign, s.Outside)
		}
	case len(j.Types) > 0:
		fmt.Fprintln(t, "\nTYPE\tROWS SO FAR")
		for _, typ := range slices.Sorted(maps.Keys(j.Types)) {
			fmt.Fprintf(t, "%s\t%d\n", typ, j.Types[typ])
		}
	}
	if len(j.Files) > 0 {
		fmt.Fprintln(t, "\nFILE\tLINES\tBYTES")
		for _, f := range j.Files {
			fmt.Fprintf(t, "%s\t%d\t%d\n", f.Name, f.Lines, f.Raw)
		}
	}
	return t.Flush()
}

// showRetried prints where the new export is.
func showRetried(w io.Writer, body []byte) error {
	var r gateway.Retried
	if err := json.Unmarshal(body, &r); err != nil {
		return fmt.Errorf("the answer is not understood: %w", err)
	}
	_, err := fmt.Fprintf(w, "new export %s for client %s\nits client polls %s\n", r.ID, r.Client, r.Status)
	return err
}

func showDone(w io.Writer, _ []byte) error {
	_, err := fmt.Fprintln(w, "done")
	return err
}

// whatOf names whose data an export holds.
func whatOf(j gateway.JobView) string {
	return strings.TrimSuffix(string(j.Level)+" "+j.Group, " ")
}

func partsOf(j gateway.JobView) string {
	if j.Total == 0 {
		return "-"
	}
	return fmt.Sprintf("%d/%d", j.Done, j.Total)
}

func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format("2006-01-02 15:04:05 MST")
}
