package main

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"sluice/bulkdata"
	"sluice/cmd/sluice/pull"
	"sluice/test/stack"
)

// followed are the types that Sluice follows by reference unless told otherwise.
var followed = []string{"Practitioner", "PractitionerRole", "Organization", "Location", "Medication"}

var sumsMu sync.Mutex

func (l *loop) add(d stack.Difference) {
	sumsMu.Lock()
	defer sumsMu.Unlock()
	l.sums.jobs++
	l.sums.rows += d.Rows
	l.sums.lost += d.Lost
	l.sums.doubled += d.Doubled
	l.sums.other += d.Other
}

// export runs one export as a client does and compares its rows. The client only ever knows the address of the balancer.
func (l *loop) export(ctx context.Context, dir string) (stack.Difference, error) {
	res, err := pull.Run(ctx, pull.Options{
		URL: "http://" + l.balancer.Addr + "/fhir", ClientID: "loader", Key: l.key, Level: bulkdata.Patient, Dir: dir,
		Patience: 5 * time.Minute, HTTP: &http.Client{Transport: pull.NewTransport(nil)},
	})
	if err != nil {
		return stack.Difference{}, fmt.Errorf("export: %w", err)
	}
	for _, is := range res.Issues {
		if is.Severity == "error" || is.Severity == "fatal" {
			return stack.Difference{}, fmt.Errorf("the export reports %d × %s: %s", is.Count, is.Code, is.Text)
		}
	}
	return stack.Compare(res.Output, l.want)
}
