package main

import (
	"cmp"
	"fmt"
	"os"
	"runtime"
	"testing"

	"github.com/postlude/postlude/internal/pgtest"
)

// postgresURL is the server at the URL, that of TEST_DATABASE_URL, or a private one. The
// private one has ended when stop returns.
func postgresURL(given string) (url string, stop func(), err error) {
	if url := cmp.Or(given, os.Getenv("TEST_DATABASE_URL")); url != "" {
		return url, func() {}, nil
	}
	t := new(standIn)
	done := make(chan struct{})
	go func() { // as Fatalf ends its goroutine
		defer close(done)
		url = pgtest.Start(t).URL()
	}()
	<-done
	if t.fault != nil {
		t.end()
	}
	return url, t.end, t.fault
}

// standIn is the test that pgtest wants. Only what that calls is here.
type standIn struct {
	testing.TB
	cleanups []func()
	fault    error
}

// Helper does nothing.
func (*standIn) Helper() {}

// Cleanup keeps f for the end.
func (t *standIn) Cleanup(f func()) { t.cleanups = append(t.cleanups, f) }

// Fatal ends the goroutine.
func (t *standIn) Fatal(args ...any) { t.Fatalf("%s", fmt.Sprint(args...)) }

// Fatalf ends the goroutine.
func (t *standIn) Fatalf(format string, args ...any) {
	t.fault = fmt.Errorf(format, args...)
	runtime.Goexit()
}

// Skipf ends the goroutine: without a server, there is nothing to measure.
func (t *standIn) Skipf(format string, args ...any) { t.Fatalf(format, args...) }

func (t *standIn) end() {
	for len(t.cleanups) > 0 {
		last := len(t.cleanups) - 1
		f := t.cleanups[last]
		t.cleanups = t.cleanups[:last]
		f()
	}
}
