package stack

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// Process is a program that runs until it is killed. Its methods may be called by several goroutines.
type Process struct {
	name string
	cmd  *exec.Cmd
	done chan struct{}
	log  *os.File

	mu  sync.Mutex
	err error
}

// Start runs a program. What it prints goes to the end of the file log; stdout, when given, gets its standard output instead.
func Start(name, log string, env []string, stdout *os.File, path string, args ...string) (*Process, error) {
	f, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(path, args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = append(os.Environ(), env...), f, f
	if stdout != nil {
		cmd.Stdout = stdout
	}
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", name, err), f.Close())
	}
	p := &Process{name: name, cmd: cmd, done: make(chan struct{}), log: f}
	go func() {
		err := cmd.Wait()
		p.mu.Lock()
		p.err = err
		p.mu.Unlock()
		_ = f.Close()
		close(p.done)
	}()
	return p, nil
}

// PID is the number of the process.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Ended tells whether the process is gone.
func (p *Process) Ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// Done is closed when the process is gone.
func (p *Process) Done() <-chan struct{} { return p.done }

// EndedBy tells whether the process was ended by a signal, its own or another's. It must have ended.
func (p *Process) EndedBy(sig syscall.Signal) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	var exit *exec.ExitError
	if !errors.As(p.err, &exit) {
		return false
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == sig
}

// Freeze stops the process where it stands; Thaw lets it go on.
func (p *Process) Freeze() error { return p.cmd.Process.Signal(syscall.SIGSTOP) }

// Thaw lets a frozen process go on.
func (p *Process) Thaw() error { return p.cmd.Process.Signal(syscall.SIGCONT) }

// Kill ends the process at once, as a crash does, and waits for that.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // gone already
	<-p.done
}

// Terminate asks the process to end and waits for it.
func (p *Process) Terminate(ctx context.Context) error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // gone already
	select {
	case <-p.done:
	case <-ctx.Done():
		p.Kill()
		return fmt.Errorf("%s did not end on SIGTERM: %w", p.name, ctx.Err())
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// FreeAddr returns a loopback address nobody listens on now.
func FreeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// until asks f every 20 ms until it says yes, or ctx or the process ends.
func until(ctx context.Context, p *Process, what string, f func() bool) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !f() {
		select {
		case <-tick.C:
		case <-p.Done():
			return fmt.Errorf("%s ended before it was %s", p.name, what)
		case <-ctx.Done():
			return fmt.Errorf("%s is not %s: %w", p.name, what, ctx.Err())
		}
	}
	return nil
}
