// Package stack runs Sluice the way users run it, for tests from outside: built binaries in processes of their own, several replicas
// behind a load balancer, a real redis-server, the fake FHIR server, and a Bulk Data client that holds every line against the truth.
//
// It is for programs below test that kill, stop and overload processes. It leaves nothing running: Close ends what was started.
package stack
