package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"sluice/export"
	"sluice/storage/filestore"
	"sluice/test/stack"
)

// mostSmall is how long an export of one patient may take behind one of 100,000.
const mostSmall = 10 * time.Second

// fair lets a small export run behind a huge one, and two huge ones of two clients beside each other.
func fair(ctx context.Context, b stack.Binaries, dir string) error {
	s, err := open(ctx, b, dir, 100_000, 4, 16)
	if err != nil {
		return err
	}
	defer s.close()
	other := s.client
	other.ID = "other"
	if other.Key, err = stack.AddClient(ctx, filepath.Join(dir, "clients"), other.ID); err != nil {
		return err
	}
	time.Sleep(2 * time.Second) // the gateway picks the client up by itself
	if _, err := s.client.KickOff(ctx, "/Patient/$export"); err != nil {
		return err
	}
	if err := s.await(ctx, func(p stack.Progress) bool { return p.Planned }, s.plan); err != nil {
		return err
	}
	time.Sleep(3 * time.Second) // it is in full swing
	began := time.Now()
	status, err := other.KickOff(ctx, "/Group/one/$export")
	if err != nil {
		return err
	}
	files, err := filestore.New(s.store())
	if err != nil {
		return err
	}
	small := status[strings.LastIndex(status, "/")+1:]
	for {
		m, err := export.ReadManifest(ctx, files, small)
		if err == nil {
			if m.Rows != rowsPerPatient {
				return fmt.Errorf("the small export has %d rows, want %d", m.Rows, rowsPerPatient)
			}
			break
		}
		if time.Since(began) > mostSmall {
			return fmt.Errorf("the small export is not done after %v", mostSmall)
		}
		time.Sleep(20 * time.Millisecond)
	}
	fmt.Printf("an export of one patient behind one of 100,000: done after %.1f s (allowed: %v)\n", time.Since(began).Seconds(), mostSmall)

	if _, err := other.KickOff(ctx, "/Patient/$export"); err != nil {
		return err
	}
	time.Sleep(5 * time.Second) // it is planned
	before, err := s.requests(ctx)
	if err != nil {
		return err
	}
	time.Sleep(15 * time.Second)
	after, err := s.requests(ctx)
	if err != nil {
		return err
	}
	mine, others := after["loader"]-before["loader"], after["other"]-before["other"]
	share := float64(mine) / float64(mine+others)
	fmt.Printf("two clients at once: %.1f %% and %.1f %% of %d requests (allowed: 45 to 55 %%)\n", share*100, (1-share)*100, int(mine+others))
	if math.IsNaN(share) || share < 0.45 || share > 0.55 {
		return errors.New("the shares are not fair")
	}
	return nil
}

// requests are those of each client's exports, as the operator sees them.
func (s *site) requests(ctx context.Context) (map[string]float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.replica.Admin+"/jobs", nil)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	var list struct {
		Jobs []struct {
			Client   string
			Requests float64
		}
	}
	if err := json.NewDecoder(res.Body).Decode(&list); err != nil {
		return nil, err
	}
	sums := map[string]float64{}
	for _, j := range list.Jobs {
		sums[j.Client] += j.Requests
	}
	return sums, nil
}
