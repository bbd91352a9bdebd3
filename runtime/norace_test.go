//go:build !race

package postlude_test

const raceEnabled = false
