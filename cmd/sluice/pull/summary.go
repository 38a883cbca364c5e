package pull

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"sluice/fhir"
)

// maxIssues caps how many kinds of issues are told apart.
const maxIssues = 1000

// summarize counts what the error files say, by kind.
func summarize(d *folder, files []slot) ([]Issue, error) {
	counts := map[Issue]int64{}
	for _, f := range files {
		if f.List != listError {
			continue
		}
		if err := countIssues(d, f.Name, counts); err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
	}
	issues := []Issue{}
	for is, n := range counts {
		is.Count = n
		issues = append(issues, is)
	}
	slices.SortFunc(issues, func(a, b Issue) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Severity, b.Severity), cmp.Compare(a.Code, b.Code), cmp.Compare(a.Text, b.Text))
	})
	return issues, nil
}

func countIssues(d *folder, name string, counts map[Issue]int64) error {
	f, err := d.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	for in := json.NewDecoder(bufio.NewReaderSize(f, 256<<10)); ; {
		var out fhir.OperationOutcome
		if err := in.Decode(&out); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		for _, is := range out.Issue {
			kind := Issue{Severity: printable(is.Severity, 20), Code: printable(is.Code, 40), Text: printable(issueText(is), 300)}
			if _, known := counts[kind]; !known && len(counts) >= maxIssues {
				kind.Text = "…"
			}
			counts[kind]++
		}
	}
}
