//go:build !race

package durabletest

// fewer divides the number of jobs in the crowd tests.
const fewer = 1
