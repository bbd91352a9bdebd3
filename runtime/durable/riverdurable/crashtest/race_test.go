//go:build race

package crashtest

const (
	slow   = 5 // how much longer everything takes than in production
	killed = 1 // how often each back end is killed, unless told
)
