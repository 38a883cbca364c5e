package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// fullDisk keeps the store on a small file system of its own, fills it in the middle of an export, and empties it after a while. It needs
// Linux and root.
func (l *loop) fullDisk(ctx context.Context) (err error) {
	if err := os.MkdirAll(l.store(), 0o700); err != nil {
		return err
	}
	if text, err := exec.CommandContext(ctx, "mount", "-t", "tmpfs", "-o", "size=16m", "none", l.store()).CombinedOutput(); err != nil {
		return fmt.Errorf("mount a small file system: %w: %s", err, text)
	}
	defer func() {
		l.close()
		err = errors.Join(err, syscall.Unmount(l.store(), 0))
	}()
	if err := l.start(ctx); err != nil {
		return err
	}
	ctx, stop := context.WithTimeout(ctx, 5*time.Minute)
	defer stop()
	done := make(chan error, 1)
	go func() { done <- l.fillDisk(ctx) }()
	d, err := l.export(ctx, filepath.Join(l.dir, "out"))
	if err := errors.Join(err, <-done); err != nil {
		return err
	}
	fmt.Println(d)
	if !d.None() {
		return errors.New("the rows are not those of the upstream")
	}
	return nil
}

// fillDisk fills the file system, waits until the export says why it waits, and makes room again.
func (l *loop) fillDisk(ctx context.Context) error {
	p, err := l.awaitMidway(ctx)
	if err != nil {
		return err
	}
	filler := filepath.Join(l.store(), ".filler")
	f, err := os.Create(filler)
	if err != nil {
		return err
	}
	block, size := make([]byte, 4096), 0
	for err == nil {
		_, err = f.Write(block)
		size += len(block)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		return errors.Join(err, f.Close())
	}
	_ = f.Close() // it is full
	fmt.Printf("disk full (%d KiB of filler) with %d of %d chunks closed\n", size>>10, p.Closed, p.Chunks)
	began := time.Now()
	for reason := ""; !strings.Contains(reason, "storage"); time.Sleep(200 * time.Millisecond) {
		if reason, err = l.reason(ctx, p.Job); err != nil {
			return err
		}
		if time.Since(began) > time.Minute {
			return fmt.Errorf("after a minute the export says %q, and nothing of the storage", reason)
		}
	}
	fmt.Printf("it waits and says why after %.1f s\n", time.Since(began).Seconds())
	return os.Remove(filler)
}

// reason is why an export waits, as the operator sees it.
func (l *loop) reason(ctx context.Context, job string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+l.replicas[0].Admin+"/jobs/"+job, nil)
	if err != nil {
		return "", err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	var view struct{ Reason string }
	err = json.NewDecoder(res.Body).Decode(&view)
	return view.Reason, err
}
