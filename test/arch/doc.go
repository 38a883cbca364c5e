// Package arch holds the rules of the code as tests: who may import whom, who may talk to the FHIR server, what may be logged, and
// what may not be in the tree at all. It reads the sources; it has no code of its own.
package arch
