//go:build race

package durabletest

// fewer divides the number of jobs in the crowd tests: the race detector finds in a quarter
// of them what there is to find, and an engine in pure Go, as SQLite's, is slow under it.
const fewer = 4
