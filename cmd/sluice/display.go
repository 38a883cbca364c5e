package main

import (
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	"sluice/cmd/sluice/pull"
)

// display shows how a pull goes, on standard error. close is called when it is over.
type display interface {
	pull.Reporter
	line(text string)
	close()
}

func (a *app) newDisplay(quiet bool) display {
	if quiet {
		return &lineDisplay{w: io.Discard}
	}
	if f, ok := a.stderr.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return &barDisplay{w: f, running: map[string]*mpb.Bar{}}
	}
	return &lineDisplay{w: a.stderr}
}

// lineDisplay prints a line for each thing that happens, for logs.
type lineDisplay struct {
	w         io.Writer
	mu        sync.Mutex
	all, done int
}

func (l *lineDisplay) line(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintln(l.w, "…", text)
}

func (l *lineDisplay) Files(all, whole int)         { l.all, l.done = all, whole }
func (l *lineDisplay) Start(string)                 {}
func (l *lineDisplay) Advance(string, int64, int64) {}
func (l *lineDisplay) close()                       {}

func (l *lineDisplay) End(name string, f pull.File, err error) {
	if err != nil {
		return // it is told at the end
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.done++
	fmt.Fprintf(l.w, "… %d of %d files: %s, %d rows\n", l.done, l.all, name, f.Lines)
}

// barDisplay draws a bar for each file that is coming, and one for all.
type barDisplay struct {
	w io.Writer

	mu      sync.Mutex
	screen  *mpb.Progress // nil until the downloads begin
	total   *mpb.Bar
	running map[string]*mpb.Bar
}

func (b *barDisplay) line(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	w := b.w
	if b.screen != nil {
		w = b.screen // above the bars
	}
	fmt.Fprintln(w, "…", text)
}

func (b *barDisplay) Files(all, whole int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if all == whole {
		return
	}
	b.screen = mpb.New(mpb.WithOutput(b.w), mpb.WithWidth(64))
	b.total = b.screen.AddBar(int64(all), mpb.BarPriority(1<<30),
		mpb.PrependDecorators(decor.Name("files", decor.WCSyncSpaceR)),
		mpb.AppendDecorators(decor.CountersNoUnit("%d of %d")))
	b.total.SetCurrent(int64(whole))
}

func (b *barDisplay) Start(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	// A total of 0 never completes by itself: a file that has come is still to be checked.
	b.running[name] = b.screen.AddBar(0, mpb.BarRemoveOnComplete(),
		mpb.PrependDecorators(decor.Name(name, decor.WCSyncSpaceR)),
		mpb.AppendDecorators(decor.CountersKibiByte("% .1f / % .1f"), decor.AverageSpeed(decor.SizeB1024(0), " % .1f")))
}

func (b *barDisplay) Advance(name string, have, size int64) {
	b.mu.Lock()
	bar := b.running[name]
	b.mu.Unlock()
	bar.SetTotal(max(have, size), false)
	bar.SetCurrent(have)
}

func (b *barDisplay) End(name string, _ pull.File, err error) {
	b.mu.Lock()
	bar := b.running[name]
	delete(b.running, name)
	b.mu.Unlock()
	if err != nil {
		bar.Abort(true)
		return
	}
	bar.SetTotal(-1, true)
	b.total.Increment()
}

func (b *barDisplay) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.screen == nil {
		return
	}
	b.total.Abort(false) // if it is not complete
	b.screen.Wait()
}
