//go:build unix

package audit_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"sluice/audit"
)

// TestMain lets the test binary play the process that is killed, or that meets a full disk.
func TestMain(m *testing.M) {
	dir := os.Getenv("AUDIT_TEST_DIR")
	switch os.Getenv("AUDIT_TEST_ROLE") {
	case "":
		os.Exit(m.Run())
	case "writers":
		os.Exit(writeForever(dir))
	case "full disk":
		os.Exit(fullDisk(dir))
	}
}

func child(t *testing.T, role, dir string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "AUDIT_TEST_ROLE="+role, "AUDIT_TEST_DIR="+dir)
	cmd.Stderr = os.Stderr
	return cmd
}

// writeForever prints the number of each event after Write has returned.
func writeForever(dir string) int {
	l, err := audit.Open(dir)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := w; ; i += 8 {
				if err := l.Write(context.Background(), audit.Event{Type: audit.DownloadStarted, Outcome: audit.OK, Job: strconv.Itoa(i)}); err != nil {
					fmt.Fprintln(os.Stderr, err)
					return
				}
				fmt.Println(i)
			}
		})
	}
	wg.Wait()
	return 1
}

// What Write has confirmed is in the log after kill -9, and the log is whole after the next Open.
func TestKilledWriters(t *testing.T) {
	for range 5 {
		dir := t.TempDir()
		cmd := child(t, "writers", dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		confirmed := map[string]bool{}
		for lines := bufio.NewScanner(out); lines.Scan(); {
			confirmed[lines.Text()] = true
			if len(confirmed) == 200 {
				cmd.Process.Kill()
			}
		}
		cmd.Wait()
		l, err := audit.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		if err := audit.Verify(dir); err != nil {
			t.Error(err)
		}
		for _, r := range records(t, dir) {
			delete(confirmed, r.Job)
		}
		if len(confirmed) > 0 {
			t.Errorf("%d confirmed events are not in the log", len(confirmed))
		}
	}
}

// fullDisk writes until the file may not grow any more, then goes on with room.
func fullDisk(dir string) int {
	signal.Ignore(syscall.SIGXFSZ)
	var limit syscall.Rlimit
	check := func(what string, err error) {
		if err != nil {
			fmt.Println(what, err)
			os.Exit(1)
		}
	}
	l, err := audit.Open(dir)
	check("open", err)
	check("getrlimit", syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit))
	small := limit
	small.Cur = 5000
	check("setrlimit", syscall.Setrlimit(syscall.RLIMIT_FSIZE, &small))
	event := audit.Event{Type: audit.Kickoff, Outcome: audit.OK, Detail: "while there is room"}
	for err == nil {
		err = l.Write(context.Background(), event)
	}
	for range 3 {
		if err := l.Write(context.Background(), event); err == nil {
			fmt.Println("a write on a full disk was confirmed")
			return 1
		}
		if err := l.Ready(); err == nil {
			fmt.Println("ready on a full disk")
			return 1
		}
	}
	check("setrlimit", syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit))
	check("ready with room again", l.Ready())
	event.Detail = "with room again"
	check("write with room again", l.Write(context.Background(), event))
	check("ready", l.Ready())
	check("close", l.Close())
	return 0
}

func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if out, err := child(t, "full disk", dir).Output(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	s, err := audit.Inspect(dir)
	if err != nil {
		t.Fatal(err)
	}
	if s.Torn != 0 {
		t.Errorf("%d bytes of a failed write are left", s.Torn)
	}
	var types []string
	for _, r := range records(t, dir) {
		types = append(types, r.Type)
	}
	n := len(types)
	if types[n-3] != audit.LogWritable || types[n-2] != audit.Kickoff || types[n-1] != audit.LogClosed {
		t.Errorf("the log ends with %v", types[max(0, n-4):])
	}
}

func BenchmarkWrite(b *testing.B) {
	l, err := audit.Open(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := l.Write(b.Context(), audit.Event{Type: audit.DownloadEnded, Outcome: audit.OK, Time: time.Now()}); err != nil {
				b.Error(err)
			}
		}
	})
}
