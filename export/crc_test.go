package export_test

import (
	"bytes"
	"hash/crc32"
	"math/rand/v2"
	"testing"

	"sluice/export"
)

func FuzzCombineCRC32(f *testing.F) {
	for _, pair := range [][2]string{{"", ""}, {"a", ""}, {"", "a"}, {"123456789", "123456789"}, {"\x00\x00", "\x00"}, {"\xff", "\xff\xff\xff\xff"}} {
		f.Add([]byte(pair[0]), []byte(pair[1]))
	}
	f.Fuzz(func(t *testing.T, a, b []byte) {
		got := export.CombineCRC32(crc32.ChecksumIEEE(a), crc32.ChecksumIEEE(b), int64(len(b)))
		if want := crc32.ChecksumIEEE(append(bytes.Clone(a), b...)); got != want {
			t.Errorf("combined %08x, want %08x", got, want)
		}
	})
}

func TestCombineCRC32OfLongData(t *testing.T) {
	whole := make([]byte, 5<<20)
	rand.NewChaCha8([32]byte{}).Read(whole)
	for range 50 {
		cut := rand.IntN(len(whole) + 1)
		got := export.CombineCRC32(crc32.ChecksumIEEE(whole[:cut]), crc32.ChecksumIEEE(whole[cut:]), int64(len(whole)-cut))
		if want := crc32.ChecksumIEEE(whole); got != want {
			t.Fatalf("cut at %d: combined %08x, want %08x", cut, got, want)
		}
	}
}

// 2^41 zeros, more than a test can hold: appended at once, and in two halves.
func TestCombineCRC32OfHugeData(t *testing.T) {
	half, n := crc32.ChecksumIEEE([]byte{0}), int64(1)
	for n < 1<<40 {
		half, n = export.CombineCRC32(half, half, n), 2*n
	}
	head := crc32.ChecksumIEEE([]byte("head"))
	atOnce := export.CombineCRC32(head, export.CombineCRC32(half, half, n), 2*n)
	inHalves := export.CombineCRC32(export.CombineCRC32(head, half, n), half, n)
	if atOnce != inHalves {
		t.Errorf("at once %08x, in halves %08x", atOnce, inHalves)
	}
}

func BenchmarkCombineCRC32(b *testing.B) {
	crc := uint32(1)
	for b.Loop() {
		crc = export.CombineCRC32(crc, 0xcafebabe, 100<<20)
	}
}
