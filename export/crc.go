package export

import "hash/crc32"

// CombineCRC32 returns the IEEE CRC-32 of A followed by B, from the sums of both and the length of B. It takes time in the logarithm
// of lenB, and reads neither.
//
// A CRC is a remainder modulo a polynomial over GF(2): appending lenB bytes multiplies A's by x^(8*lenB).
func CombineCRC32(a, b uint32, lenB int64) uint32 {
	return mulMod(xPow8(lenB), a) ^ b
}

// xPow8 returns x^(8n) modulo the CRC polynomial.
func xPow8(n int64) uint32 {
	p := uint32(1) << 31 // x^0: the highest bit is the lowest power
	for k := 3; n > 0; k++ {
		if n&1 != 0 {
			p = mulMod(squares[k%32], p)
		}
		n >>= 1
	}
	return p
}

// squares[k] is x^(2^k) modulo the CRC polynomial; the powers repeat after 32.
var squares = func() (t [32]uint32) {
	p := uint32(1) << 30 // x^1
	for k := range t {
		t[k] = p
		p = mulMod(p, p)
	}
	return t
}()

// mulMod multiplies two polynomials modulo the CRC polynomial.
func mulMod(a, b uint32) uint32 {
	var p uint32
	for m := uint32(1) << 31; m != 0; m >>= 1 {
		if a&m != 0 {
			p ^= b
		}
		if b&1 != 0 {
			b = b>>1 ^ crc32.IEEE
		} else {
			b >>= 1
		}
	}
	return p
}
