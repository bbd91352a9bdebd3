// Package importrules is a test that holds the imports of this repository to its
// layout. It has no code of its own.
//
// The folders are layers, and imports point down only:
//
//	examples, benchmarks, e2e                                   anything
//	runtime/postludetest, runtime/durable/durabletest, dashboards
//	runtime                                                     package postlude
//	otelx   logging   runtime/durable   runtime/durable/riverdurable
//	internal
//	runtime/taskconv                                            constants
//
// with these particulars:
//
//   - runtime/taskconv imports nothing, so that every layer can import it.
//   - logging and runtime don't know each other: the runtime writes to any
//     *slog.Logger, and logging is useful to any program.
//   - otelx knows nothing of scheduling.
//   - An engine such as riverdurable sees the driver interface, not the runtime.
//   - runtime, with everything below it, needs the standard library and
//     OpenTelemetry's API and SDK. What is heavier is for those who ask for it.
//   - Test libraries are imported by test kits only.
//
// The rules are the tables in rules_test.go. A new folder needs a row there.
package importrules
