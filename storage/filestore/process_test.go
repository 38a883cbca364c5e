package filestore_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"sluice/storage"
	"sluice/storage/filestore"
)

// The test binary is also the other processes that some tests need: SLUICE_TEST_CHILD says which, SLUICE_TEST_DIR where.
func TestMain(m *testing.M) {
	child, ok := map[string]func(context.Context, *filestore.Store) error{
		"lock": childLock, "race": childRace, "write": childWrite,
	}[os.Getenv("SLUICE_TEST_CHILD")]
	if !ok {
		os.Exit(m.Run())
	}
	s, err := filestore.New(os.Getenv("SLUICE_TEST_DIR"))
	if err == nil {
		err = child(context.Background(), s)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// process is a child that ends with the test at the latest.
type process struct {
	*exec.Cmd
	out *bufio.Scanner
	in  io.WriteCloser
}

func start(t *testing.T, child, dir string) *process {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env = append(os.Environ(), "SLUICE_TEST_CHILD="+child, "SLUICE_TEST_DIR="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return &process{cmd, bufio.NewScanner(out), in}
}

// childLock holds the lock until its input ends.
func childLock(_ context.Context, s *filestore.Store) error {
	if _, err := s.Lock(); err != nil {
		return err
	}
	fmt.Println("locked")
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}

func TestLock(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	unlock, err := s.Lock()
	if err != nil {
		t.Fatalf("Lock: %v", err)
	}
	if _, err := open(t, dir).Lock(); !errors.Is(err, filestore.ErrLocked) {
		t.Errorf("second Lock: error %v, want ErrLocked", err)
	}
	if err := unlock(); err != nil {
		t.Errorf("unlock: %v", err)
	}

	p := start(t, "lock", dir)
	if !p.out.Scan() {
		t.Fatal("the child did not get the lock")
	}
	if _, err := s.Lock(); !errors.Is(err, filestore.ErrLocked) {
		t.Errorf("Lock while another process has it: error %v, want ErrLocked", err)
	}
	p.Process.Kill() // the lock dies with it
	p.Wait()
	unlock, err = s.Lock()
	if err != nil {
		t.Fatalf("Lock after the other process died: %v", err)
	}
	if err := unlock(); err != nil {
		t.Errorf("unlock: %v", err)
	}
}

const raceKeys = 60

// childRace waits for its input to end, tries to create every key, and prints those it won.
func childRace(ctx context.Context, s *filestore.Store) error {
	fmt.Println("ready")
	io.Copy(io.Discard, os.Stdin)
	for i := range raceKeys {
		key := fmt.Sprintf("race/%d/record", i)
		err := storage.PutIfAbsent(ctx, s, key, fmt.Append(nil, os.Getpid()), "")
		switch {
		case err == nil:
			fmt.Println(key)
		case !errors.Is(err, storage.ErrExist):
			return err
		}
	}
	return nil
}

func TestIfAbsentOverProcesses(t *testing.T) {
	dir := t.TempDir()
	var children []*process
	for range 4 {
		p := start(t, "race", dir)
		p.out.Scan() // it is ready
		children = append(children, p)
	}
	for _, p := range children {
		p.in.Close()
	}
	winners := map[string]string{}
	for _, p := range children {
		for p.out.Scan() {
			key := p.out.Text()
			if other := winners[key]; other != "" {
				t.Errorf("%s was won by %s and %d", key, other, p.Process.Pid)
			}
			winners[key] = fmt.Sprint(p.Process.Pid)
		}
		if err := p.Wait(); err != nil {
			t.Errorf("child: %v", err)
		}
	}
	if len(winners) != raceKeys {
		t.Errorf("%d keys have a winner, want %d", len(winners), raceKeys)
	}
	s := open(t, dir)
	for key, pid := range winners {
		if got, err := storage.ReadAll(t.Context(), s, key, 100); string(got) != pid || err != nil {
			t.Errorf("%s holds %q, %v; want the winner's %s", key, got, err, pid)
		}
	}
}

// childWrite writes objects that begin with their own hash, over and over, and prints each that was acknowledged.
func childWrite(ctx context.Context, s *filestore.Store) error {
	for i := 0; ; i++ {
		body := bytes.Repeat([]byte{byte(i)}, 100_000+i)
		body = append(fmt.Appendf(nil, "%x", sha256.Sum256(body)), body...)
		once := fmt.Sprintf("write/%d/%d", os.Getpid(), i)
		if err := storage.PutIfAbsent(ctx, s, once, body, ""); err != nil {
			return err
		}
		fmt.Println(once)
		over := fmt.Sprintf("over/%d", i%3)
		if err := storage.Put(ctx, s, over, body, storage.CreateOptions{}); err != nil {
			return err
		}
		fmt.Println(over)
	}
}

func TestKilledWriterLeavesWholeObjects(t *testing.T) {
	dir := t.TempDir()
	acknowledged := map[string]bool{}
	for round := range 8 {
		p := start(t, "write", dir)
		for range 5 + round {
			if !p.out.Scan() {
				t.Fatal("the child ended early")
			}
			acknowledged[p.out.Text()] = true
		}
		p.Process.Kill()
		for p.out.Scan() {
			acknowledged[strings.TrimSpace(p.out.Text())] = true
		}
		p.Wait()
	}
	s := open(t, dir)
	for i, err := range s.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		body, err := storage.ReadAll(t.Context(), s, i.Key, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		if len(body) < 64 || fmt.Sprintf("%x", sha256.Sum256(body[64:])) != string(body[:64]) {
			t.Errorf("%s is not whole", i.Key)
		}
		delete(acknowledged, i.Key)
	}
	for key := range acknowledged {
		t.Errorf("%s was acknowledged and is not there", key)
	}
}
