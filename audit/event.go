package audit

import "time"

// Event is one thing that happened. Type and Outcome are words of the lists below; the rest is filled as far as it is known.
type Event struct {
	Type    string    // one of the constants of this package
	Outcome string    // OK, Refused or Failed
	Time    time.Time // when it happened; zero: when it is written

	Client    string // client_id, as the caller has proved or claimed it
	Job       string // id of the export
	RequestID string // X-Request-Id
	Remote    string // network address of the caller
	Detail    string // one sentence for a person

	// Fields are further facts by name: strings, numbers, truth values, times, durations, lists of strings, counts by name.
	// Values of other kinds are written as "?".
	Fields map[string]any
}

// Types of events, after what the compliance officer asks for.
const (
	Token           = "token"            // an access token was issued or refused
	Kickoff         = "kickoff"          // an export was accepted or refused
	Plan            = "plan"             // the patients and searches of an export were frozen
	State           = "state"            // an export finished, failed or was cancelled
	Manifest        = "manifest"         // a client read the manifest
	DownloadStarted = "download.started" // before the first byte of a file; without an end it counts as a full disclosure
	DownloadEnded   = "download.ended"   // after the last byte, or where the transfer broke
	SignedURL       = "signed-url"       // an address was handed out that opens a file without a token
	Delete          = "delete"           // a client deleted or cancelled an export
	Expired         = "expired"          // files were removed at the end of their retention
	Denied          = "denied"           // someone asked for what is not theirs: job, file, Group, scope
	Security        = "security"         // a sign of attack or fault: replay, foreign patient in an answer, refused address
	Admin           = "admin"            // a client, key, limit or Group was changed, or the audit log was read out
	LogOpened       = "log.opened"       // a process began to write this log
	LogClosed       = "log.closed"       // it stopped in good order
	LogRepaired     = "log.repaired"     // a line that a crash had cut was taken off the end
	LogWritable     = "log.writable"     // writing works again after a failure
)

// Outcomes of events.
const (
	OK      = "ok"
	Refused = "refused"
	Failed  = "failed"
)

// Record is an event as it stands in the log.
type Record struct {
	Seq       int64          `json:"seq"` // 1, 2, 3, … over all segments
	Time      time.Time      `json:"time"`
	Type      string         `json:"type"`
	Outcome   string         `json:"outcome"`
	Client    string         `json:"client,omitempty"`
	Job       string         `json:"job,omitempty"`
	RequestID string         `json:"requestId,omitempty"`
	Remote    string         `json:"remote,omitempty"`
	Detail    string         `json:"detail,omitempty"`
	Fields    map[string]any `json:"fields,omitempty"`
	Prev      string         `json:"prev"` // SHA-256 of the line before, in hexadecimal; of the first line: 64 zeros
}

// Head is the end of a log at one time: enough to prove later that nothing was taken off or changed before it.
type Head struct {
	Seq  int64  `json:"seq"`
	Hash string `json:"hash"` // SHA-256 of the line with that sequence number
}
