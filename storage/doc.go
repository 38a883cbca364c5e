// Package storage is the contract for immutable objects: what an export writes and what clients download lives behind Store.
//
// An object appears whole or not at all, is never changed in place, and can be created so that exactly one of many writers wins
// (IfAbsent). On these three promises the correctness of an export rests; the suite in storagetest holds every backend to them.
// Backends are in the folders below; the package knows nothing of exports, keys' meanings or retries.
package storage
