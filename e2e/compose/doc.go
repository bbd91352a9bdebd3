// Package compose tests docker-compose.yml and what it mounts, as far as that can be
// without containers: it loads, what it names exists, and the parts agree with each other.
// It has no code of its own. The files are not in this module, so that go test does not
// see them change: run it with -count=1.
package compose
