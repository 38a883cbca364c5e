package stack

import (
	"strings"
	"testing"
	"time"
)

func TestPeak(t *testing.T) {
	n, err := peak(strings.NewReader("Name:\tsluice\nVmPeak:\t 1288108 kB\nVmHWM:\t   45056 kB\nThreads:\t9\n"))
	if err != nil || n != 44<<20 {
		t.Errorf("%d, %v; want 44 MiB", n, err)
	}
	if _, err := peak(strings.NewReader("Name:\tsluice\n")); err == nil {
		t.Error("no error without VmHWM")
	}
}

func TestCPU(t *testing.T) {
	d, err := cpu("4711 (a ) b) S 1 4711 4711 0 -1 4194560 2917 0 0 0 150 25 0 0 20 0 9 0 88 1288108 11264 1844 1")
	if err != nil || d != 1750*time.Millisecond {
		t.Errorf("%v, %v; want 1.75 s", d, err)
	}
	for _, bad := range []string{"", "4711 (x) S 1", "4711 (x) S 1 1 1 0 -1 0 0 0 0 0 a b"} {
		if _, err := cpu(bad); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}
