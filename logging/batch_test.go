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

// sink keeps what is written, each write apart, and when it came.
type sink struct {
	mu     sync.Mutex
	writes []string
	times  []time.Time
}

func (s *sink) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes = append(s.writes, string(p))
	s.times = append(s.times, time.Now())
	return len(p), nil
}

func (s *sink) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.writes
	s.writes = nil
	return out
}

func write(t *testing.T, w io.Writer, line string) {
	t.Helper()
	if n, err := io.WriteString(w, line); n != len(line) || err != nil {
		t.Fatalf("Write = %d, %v", n, err)
	}
}

// A line waits for others, and no longer than Delay.
func TestBatchDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s sink
		b := logging.Batch(&s, logging.BatchOptions{Delay: 5 * time.Millisecond})
		for range 3 { // the timer is armed by the first line of each batch, not once
			write(t, b, "one\n")
			time.Sleep(4 * time.Millisecond)
			write(t, b, "two\n")
			if got := s.take(); got != nil {
				t.Errorf("after 4 ms: %q", got)
			}
			time.Sleep(time.Millisecond)
			synctest.Wait()
			if got := s.take(); len(got) != 1 || got[0] != "one\ntwo\n" {
				t.Errorf("after 5 ms: %q", got)
			}
			time.Sleep(time.Hour)
		}
		// The bubble ends: a goroutine that ticks on would keep it from that.
	})
}

// In a steady stream of lines, too, none is older than Delay when it is written.
func TestBatchDelayUnderLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const delay = 5 * time.Millisecond
		var s sink
		b := logging.Batch(&s, logging.BatchOptions{Delay: delay})
		for range 200 {
			write(t, b, time.Now().Format(time.RFC3339Nano)+"\n")
			time.Sleep(700 * time.Microsecond)
		}
		time.Sleep(delay)
		synctest.Wait()
		lines := 0
		for i, batch := range s.take() {
			for line := range strings.Lines(batch) {
				lines++
				made, err := time.Parse(time.RFC3339Nano, strings.TrimSpace(line))
				if waited := s.times[i].Sub(made); err != nil || waited > delay {
					t.Errorf("a line waited %v, %v", waited, err)
				}
			}
		}
		if lines != 200 {
			t.Errorf("%d lines", lines)
		}
	})
}

// A batch is written when the next line does not fit; a line of any length is one write.
func TestBatchSize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s sink
		b := logging.Batch(&s, logging.BatchOptions{Size: 10})
		huge := strings.Repeat("x", 35) + "\n"
		for _, line := range []string{"1234\n", "56\n", "789\n", huge, "ab\n"} {
			write(t, b, line)
		}
		if got, want := fmt.Sprintf("%q", s.take()), fmt.Sprintf("%q", []string{"1234\n56\n", "789\n", huge}); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		if got := s.take(); len(got) != 1 || got[0] != "ab\n" {
			t.Errorf("Close wrote %q", got)
		}
	})
}

// What is written before Close is there after it, and what comes later goes through.
func TestBatchClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s sink
		b := logging.Batch(&s, logging.BatchOptions{})
		write(t, b, "early\n")
		for range 2 {
			if err := b.Close(); err != nil {
				t.Error(err)
			}
		}
		write(t, b, "late\n")
		if got := s.take(); len(got) != 2 || got[1] != "late\n" {
			t.Errorf("%q", got)
		}
		if err := errors.Join(b.Flush(), b.Close()); err != nil {
			t.Error(err)
		}
	})
}

// gate is a writer that blocks until it is opened.
type gate struct {
	open chan struct{}
	sink
}

func (g *gate) Write(p []byte) (int, error) {
	<-g.open
	return g.sink.Write(p)
}

// Behind a writer that is stuck there is room for two batches. Then Write, Flush and Close wait, and
// nothing is dropped.
func TestBatchBackPressure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{open: make(chan struct{})}
		b := logging.Batch(g, logging.BatchOptions{Size: 100})
		taken, done := 0, 0
		var mu sync.Mutex
		for range 5 {
			go func() {
				for range 20 {
					write(t, b, "123456789\n")
					mu.Lock()
					taken++
					mu.Unlock()
				}
				mu.Lock()
				done++
				mu.Unlock()
			}()
		}
		synctest.Wait()
		time.Sleep(time.Second)
		mu.Lock()
		if taken != 18 { // those whose lines filled the two batches have not returned
			t.Errorf("%d lines of 10 bytes were taken", taken)
		}
		mu.Unlock()
		closed := make(chan error, 2)
		go func() { closed <- b.Flush() }()
		go func() { closed <- b.Close() }()
		synctest.Wait()
		if len(closed) > 0 {
			t.Error("it is flushed or closed before its lines are written")
		}
		close(g.open)
		if err := errors.Join(<-closed, <-closed); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		if all := strings.Join(g.take(), ""); all != strings.Repeat("123456789\n", 100) || done != 5 {
			t.Errorf("%d lines arrived, %d writers are done", strings.Count(all, "\n"), done)
		}
	})
}

// panicky panics once.
type panicky struct {
	sink
	panicked bool
}

func (p *panicky) Write(b []byte) (int, error) {
	if !p.panicked {
		p.panicked = true
		panic("once")
	}
	return p.sink.Write(b)
}

func TestBatchWriterPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &panicky{}
		b := logging.Batch(p, logging.BatchOptions{})
		write(t, b, "a\n")
		func() {
			defer func() { _ = recover() }()
			_ = b.Flush()
			t.Error("the panic is gone")
		}()
		if err := b.Flush(); err == nil || !strings.Contains(err.Error(), "panicked") {
			t.Errorf("Flush = %v", err)
		}
		if got := p.take(); len(got) != 1 || got[0] != "a\n" {
			t.Errorf("%q", got)
		}
	})
}
