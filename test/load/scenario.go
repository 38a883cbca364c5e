package main

import (
	"time"

	"sluice/bulkdata"
)

// scenario is one row of the table. Another one is one more line.
type scenario struct {
	name     string
	short    bool // also with -short
	level    bulkdata.Level
	patients int
	delay    time.Duration // of each answer of the upstream
	pageSize int
	workers  int
	memory   bool // its peak is compared with that of the other memory scenarios
}

var scenarios = []scenario{
	{name: "200 patients", short: true, level: bulkdata.Patient, patients: 200, pageSize: 500, workers: 4, memory: true},
	{name: "2,000 patients", short: true, level: bulkdata.Patient, patients: 2000, pageSize: 500, workers: 4, memory: true},
	{name: "500-row pages", level: bulkdata.System, patients: 1000, pageSize: 500, workers: 16},
	{name: "20-row pages", level: bulkdata.Patient, patients: 500, pageSize: 20, workers: 16},
	{name: "50 ms upstream", level: bulkdata.Patient, patients: 200, delay: 50 * time.Millisecond, pageSize: 500, workers: 16},
}

// fifteen are the types that every scenario exports.
var fifteen = []string{
	"Patient", "AllergyIntolerance", "CarePlan", "CareTeam", "Condition", "Device", "DiagnosticReport", "DocumentReference", "Encounter",
	"ImagingStudy", "Immunization", "MedicationAdministration", "MedicationRequest", "Observation", "Procedure",
}

// concurrency is how many requests are in flight, of Sluice and of the yardstick.
const concurrency = 16
