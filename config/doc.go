// Package config is the contract with the operator: every setting, its default and what it does. It reads sluice.yaml and the
// environment, tells all that is wrong at once with file and line, and prints the result without a secret.
//
// One file a section holds the keys of that section and the rules about them. Nothing here opens a connection: whether the
// upstream, Redis or the storage answers is for "sluice check" to find out.
package config
