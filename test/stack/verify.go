package stack

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"strings"

	"sluice/cmd/sluice/pull"
)

// Difference tells how the lines of downloaded files differ from the truth.
type Difference struct{ Rows, Lost, Doubled, Other int }

// None tells that there is no difference.
func (d Difference) None() bool { return d.Lost == 0 && d.Doubled == 0 && d.Other == 0 }

func (d Difference) String() string {
	s := fmt.Sprintf("%d rows, %d lost, %d doubled", d.Rows, d.Lost, d.Doubled)
	if d.Other > 0 {
		s += fmt.Sprintf(", %d that the upstream does not have", d.Other)
	}
	return s
}

// Compare holds the lines of files against the multiset want.
func Compare(files []pull.File, want map[string]int) (d Difference, err error) {
	left := maps.Clone(want)
	for _, f := range files {
		if err := eachLine(f.Path, func(line string) {
			d.Rows++
			n, known := left[line]
			switch {
			case !known:
				d.Other++
			case n <= 0:
				d.Doubled++
			}
			left[line] = n - 1
		}); err != nil {
			return d, err
		}
	}
	for _, n := range left {
		d.Lost += max(n, 0)
	}
	return d, nil
}

func eachLine(path string, f func(line string)) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	in := bufio.NewReaderSize(file, 1<<20)
	for {
		line, err := in.ReadString('\n')
		if errors.Is(err, io.EOF) && line == "" {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		f(strings.TrimSuffix(line, "\n"))
	}
}
