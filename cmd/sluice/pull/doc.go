// Package pull is a Bulk Data client: token, kick-off, polling, resumable downloads in parallel, and a check of every line, count and
// type. It works against any server of the Bulk Data Access guide, versions 1 to 3, and reads the manifest of the version 4 ballot.
//
// It is careful on behalf of its user: the access token goes to the origin of the FHIR base only, a redirect or a manifest cannot lead
// from https to http, no file is written outside the folder, and an export that nobody waits for any more is deleted on the server. A
// pull that was interrupted goes on where it was when it is started again with the same folder.
//
// What it leaves to others: reading key files, flags and terminals is the work of the command.
package pull
