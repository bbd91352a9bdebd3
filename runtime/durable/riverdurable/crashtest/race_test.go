//go:build race

package crashtest

// slow is how much longer everything takes than in production.
const slow = 5
