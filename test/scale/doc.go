// Command scale exports from an upstream that makes its patients up as it is asked: many, with tiny pages. It prints how long a plan of
// 1,000,000 patients takes, what Redis and the gateway need for it, and whether speed and memory stay the same from 1,000 patients to
// 100,000.
//
//	go run ./test/scale
//	go run ./test/scale million | fair | cancel    one part: the plan, how two clients share, how an export is cancelled
//
// It exits 0 when all is within its bounds. Linux only: it reads /proc.
package main
