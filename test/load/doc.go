// Command load measures Sluice from outside: exports through built binaries in processes of their own, beside a bare client that asks the
// same upstream the same questions and throws the answers away. It prints rows a second, CPU, peak memory and the ratio to that yardstick.
//
//	go run ./test/load          all scenarios
//	go run ./test/load -short   200 and 2,000 patients only: memory must not grow with the data
//
// It exits 0 when every export was exact and memory stayed within its bounds. Linux only: it reads /proc.
package main
