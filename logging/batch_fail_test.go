package logging_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postlude/postlude/logging"
)

var errFull = errors.New("no space left on device")

// flaky writes as much of each write as its script says, and everything at its end.
type flaky struct {
	script []byte // 255: everything
	silent bool   // short writes without an error, which io.Writer forbids

	mu     sync.Mutex
	out    strings.Builder
	writes int
}

func (f *flaky) wrote() (writes int, out string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.writes, f.out.String()
}

func (f *flaky) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.writes++
	n := len(p)
	if len(f.script) > 0 {
		if f.script[0] < 255 {
			n = min(n, int(f.script[0]))
		}
		f.script = f.script[1:]
	}
	f.out.Write(p[:n])
	if n < len(p) && !f.silent {
		return n, errFull
	}
	return n, nil
}

// What a write could not take is written later, in order, and by itself if no line comes.
func TestBatchRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &flaky{script: []byte{6, 0}}
		b := logging.Batch(f, logging.BatchOptions{})
		write(t, b, "first\n")
		write(t, b, "second\n")
		if err := b.Flush(); !errors.Is(err, errFull) {
			t.Errorf("Flush = %v", err)
		}
		if n, err := io.WriteString(b, "third\n"); n != 6 || err != nil {
			t.Errorf("an error that was returned is returned again: %d, %v", n, err)
		}
		time.Sleep(time.Millisecond * 10) // the timer's write fails, too
		synctest.Wait()
		if n, got := f.wrote(); n != 2 || got != "first\n" {
			t.Errorf("%d writes, %q", n, got)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if n, got := f.wrote(); n != 3 || got != "first\nsecond\nthird\n" {
			t.Errorf("%d writes, %q", n, got)
		}
		if n, err := io.WriteString(b, "fourth\n"); n != 7 || !errors.Is(err, errFull) {
			t.Errorf("the next Write does not return the timer's error: %d, %v", n, err)
		}
		if err := b.Close(); err != nil || b.Lost() != 0 {
			t.Errorf("Close = %v, lost %d", err, b.Lost())
		}
	})
}

// slow is a flaky writer that takes its time.
type slow struct{ flaky }

func (s *slow) Write(p []byte) (int, error) {
	time.Sleep(time.Second)
	return s.flaky.Write(p)
}

// What a write left goes before what came while it was going on.
func TestBatchRetriesInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slow{flaky{script: []byte{8}}}
		b := logging.Batch(s, logging.BatchOptions{})
		write(t, b, "first\nsecond\n")
		time.Sleep(10 * time.Millisecond) // the timer's write has begun
		write(t, b, "third\n")
		if err := b.Flush(); !errors.Is(err, errFull) { // of the timer's write
			t.Errorf("Flush = %v", err)
		}
		if _, got := s.wrote(); got != "first\nsecond\nthird\n" {
			t.Errorf("%q", got)
		}
	})
}

// A short write without an error is one.
func TestBatchShortWrite(t *testing.T) {
	f := &flaky{script: []byte{2}, silent: true}
	b := logging.Batch(f, logging.BatchOptions{})
	write(t, b, "first\n")
	if err := b.Flush(); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("Flush = %v", err)
	}
	if err := b.Close(); err != nil || f.out.String() != "first\n" {
		t.Errorf("Close = %v, %q", err, f.out.String())
	}
}

// With a writer that always fails, memory is bounded, nothing blocks, and each line is counted.
func TestBatchGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &flaky{script: make([]byte, 10_000)}
		b := logging.Batch(f, logging.BatchOptions{Size: 100})
		const lines = 205
		failed := 0
		for range lines {
			if n, err := io.WriteString(b, "123456789\n"); n != 10 {
				t.Fatalf("Write = %d, %v", n, err)
			} else if err != nil {
				failed++
			}
		}
		err := b.Close()
		if !errors.Is(err, errFull) || !strings.Contains(err.Error(), "200 lines were lost, 5 could not be written") {
			t.Errorf("Close = %v", err)
		}
		if b.Lost() != 200 || failed < lines/2 {
			t.Errorf("lost %d; %d writes told", b.Lost(), failed)
		}
		f.script = nil // there is space again
		write(t, b, "late\n")
		if got := strings.Count(f.out.String(), "\n"); got != 6 {
			t.Errorf("%d lines arrived at last", got)
		}
		if err := b.Close(); err == nil || !strings.Contains(err.Error(), "200 lines were lost") {
			t.Errorf("a later Close = %v", err)
		}
	})
}

// FuzzBatchFailures: however the writer fails, each line arrives whole, once and in its
// order, or it is counted as lost. What arrived of a lost one is a line of its own.
func FuzzBatchFailures(f *testing.F) {
	f.Add([]byte{0, 0, 0, 255, 0, 0}, uint8(30))
	f.Add([]byte{8, 8, 8, 8, 8, 8, 8, 8, 8, 9, 9, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, uint8(40))
	f.Add([]byte{11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5}, uint8(200))
	f.Add([]byte{3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0}, uint8(60))
	f.Fuzz(func(t *testing.T, script []byte, size uint8) {
		w := &flaky{script: script}
		b := logging.Batch(w, logging.BatchOptions{Size: int(size), Delay: time.Hour})
		total := 3 * (len(script) + 10)
		for i := range total {
			if n, _ := fmt.Fprintf(b, "line-%06d\n", i); n != 12 {
				t.Fatalf("Write = %d", n)
			}
			if i%7 == 0 {
				_ = b.Flush()
			}
		}
		w.script = nil
		if err := b.Close(); (err != nil) && b.Lost() == 0 {
			t.Errorf("Close = %v", err)
		}
		whole, last := 0, -1
		for line := range strings.Lines(w.out.String()) {
			var i int
			if n, _ := fmt.Sscanf(line, "line-%06d", &i); n == 1 && len(line) == 12 {
				if i <= last {
					t.Fatalf("line %d after %d", i, last)
				}
				whole, last = whole+1, i
			} else if torn := strings.TrimSuffix(line, "\n"); len(torn) >= 11 || !strings.HasPrefix(torn, "line-000000"[:min(len(torn), 5)]) {
				t.Fatalf("line %q", line)
			}
		}
		if whole+int(b.Lost()) != total {
			t.Errorf("%d of %d arrived, %d lost", whole, total, b.Lost())
		}
	})
}
