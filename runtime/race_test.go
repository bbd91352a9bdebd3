//go:build race

package postlude_test

// raceEnabled: the race detector makes everything ten times slower.
const raceEnabled = true
