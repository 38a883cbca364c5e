package stack

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
)

// Usage is what a process has used.
type Usage struct {
	Peak int64 // VmHWM, bytes
	CPU  time.Duration
}

// Usage reads /proc.
func (p *Process) Usage() (u Usage, err error) {
	status, err := os.Open(fmt.Sprintf("/proc/%d/status", p.PID()))
	if err != nil {
		return u, fmt.Errorf("peak memory needs Linux: %w", err)
	}
	defer status.Close()
	if u.Peak, err = peak(status); err != nil {
		return u, err
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.PID()))
	if err != nil {
		return u, err
	}
	u.CPU, err = cpu(string(stat))
	return u, err
}

// peak finds VmHWM.
func peak(status io.Reader) (int64, error) {
	in := bufio.NewScanner(status)
	for in.Scan() {
		if rest, ok := strings.CutPrefix(in.Text(), "VmHWM:"); ok {
			kb, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(rest, "kB")), 10, 64)
			return kb << 10, err
		}
	}
	return 0, fmt.Errorf("no VmHWM in the status of the process: %w", in.Err())
}

// ticks a second, of /proc: the same on every Linux that Go runs on.
const ticks = 100

// cpu adds utime and stime, fields 14 and 15; the name in field 2 may hold anything up to the last ")".
func cpu(stat string) (time.Duration, error) {
	i := strings.LastIndex(stat, ")")
	fields := strings.Fields(stat[i+1:])
	if i < 0 || len(fields) < 13 {
		return 0, fmt.Errorf("the stat of the process has %d fields after its name", len(fields))
	}
	var sum int64
	for _, f := range fields[11:13] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return time.Duration(sum) * time.Second / ticks, nil
}
