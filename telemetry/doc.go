// Package telemetry is what Sluice says about itself: logs that cannot carry a patient's data or a secret, and metrics with a
// bounded number of series.
//
// Redaction is by allow-list. A log attribute whose key is not listed in keys.go prints as "?", values of kinds that could hold
// content do as well, and texts lose the queries of URLs, credentials and control characters. Metric labels are words of our own, or
// resource types, and are capped in number.
//
// Other packages do not import this one: they take a *slog.Logger and small funcs, and cmd connects them.
package telemetry
