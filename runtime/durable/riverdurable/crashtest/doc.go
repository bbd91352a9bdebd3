// Package crashtest has no code but its tests. They kill processes that work durable
// tasks, stop them, take their database away, and count what came of the tasks.
//
//	go test ./runtime/durable/riverdurable/crashtest -v -rounds 20
package crashtest
