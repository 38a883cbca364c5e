package config

import (
	"regexp"
	"time"
)

// Export says what may be exported and in which pieces.
type Export struct {
	// Levels are the kick-offs that are offered: system, patient, group.
	Levels []string `yaml:"levels"`
	// Types are the resource types that may be exported. Empty: all that the vendor profile and the server's /metadata allow.
	Types []string `yaml:"types"`
	// FollowReferences are the types outside the patient compartment that are read when exported resources refer to them.
	FollowReferences []string `yaml:"follow_references"`
	// ChunkPatients is how many patients make one piece of work.
	ChunkPatients int `yaml:"chunk_patients"`
	// FileSize is the most that one file holds for a client, before compression.
	FileSize Size `yaml:"file_size"`
	// Retention is how long files are kept after an export has finished.
	Retention time.Duration `yaml:"retention"`
	// MaxFailedPatients is the share of patients that may fail: above it the export fails, below it its error files name them.
	MaxFailedPatients Percent `yaml:"max_failed_patients"`
	// JobsPerClient is how many exports of one client run at once.
	JobsPerClient int `yaml:"jobs_per_client"`
	// QueuedPerClient is how many more of them may wait. Past it the answer is 429.
	QueuedPerClient int `yaml:"queued_per_client"`
	// StrictPrefer refuses kick-offs without "Prefer: respond-async". Off: they are taken as if it were there.
	StrictPrefer bool `yaml:"strict_prefer"`
}

func defaultExport() Export {
	return Export{
		Levels:            []string{"system", "patient", "group"},
		FollowReferences:  []string{"Practitioner", "PractitionerRole", "Organization", "Location", "Medication"},
		ChunkPatients:     100,
		FileSize:          1 << 30,
		Retention:         24 * time.Hour,
		MaxFailedPatients: 50,
		JobsPerClient:     2,
		QueuedPerClient:   10,
	}
}

var typeName = regexp.MustCompile(`^[A-Z][A-Za-z]{2,63}$`)

func (e *Export) validate(k *check) {
	if len(e.Levels) == 0 {
		k.say("export.levels", "empty, expected one or more of system, patient, group")
	}
	for _, l := range e.Levels {
		k.oneOf("export.levels", l, "system", "patient", "group")
	}
	k.types("export.types", e.Types)
	k.types("export.follow_references", e.FollowReferences)
	for _, t := range e.FollowReferences {
		if t == "Binary" || t == "Bundle" || t == "Parameters" {
			k.bad("export.follow_references", quoted(t), "a type whose resources are lines of an export, such as Organization")
		}
	}
	k.between("export.chunk_patients", e.ChunkPatients, 1, 1000)
	if e.FileSize < 1<<20 {
		k.bad("export.file_size", e.FileSize.String(), "1MiB or more")
	}
	k.duration("export.retention", e.Retention, time.Minute, 366*24*time.Hour)
	if e.MaxFailedPatients < 0 || e.MaxFailedPatients > 100 {
		k.bad("export.max_failed_patients", e.MaxFailedPatients.String(), "0% to 100%")
	}
	k.between("export.jobs_per_client", e.JobsPerClient, 1, 1000)
	k.between("export.queued_per_client", e.QueuedPerClient, 0, 10_000)
}

func (k *check) types(path string, types []string) {
	for _, t := range types {
		if !typeName.MatchString(t) {
			k.bad(path, quoted(t), "a FHIR resource type such as Observation")
		}
	}
}
