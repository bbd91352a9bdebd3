package logging

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"
)

const (
	batchSize  = 64 << 10
	batchDelay = 5 * time.Millisecond

	// batchRetry is when lines that could not be written are tried again though no new one comes.
	batchRetry = time.Second
)

// BatchOptions configure a [Batcher]. The zero value is good.
type BatchOptions struct {
	// Size is how many bytes of lines are collected before they are written; 0 means
	// 64 KiB. While they are, as many may be collected again; what comes then waits.
	//
	// A file or pipe that several processes write to needs no more than 4,096: beyond
	// that the kernel may put another's line into the middle of a batch on a pipe.
	Size int

	// Delay is how long a line waits for others before it is written; 0 means 5 ms.
	Delay time.Duration

	// FlushLevel is the least level whose lines are written at once, with all before
	// them, so that they are on their way when the call that logged returns; nil means
	// Error. The line before os.Exit(1) is then not lost, at the cost of a write. It works
	// for handlers of this package; who has others may call [Batcher.Flush].
	FlushLevel slog.Leveler
}

// Batcher is a writer that collects lines and writes many at once: a write to a file or
// pipe costs several times what the making of a line does.
//
//	out := logging.Batch(os.Stdout, logging.BatchOptions{})
//	defer out.Close()
//	logger := logging.New(out, logging.Options{})
//
// A line is written when the batch is full, when it has waited for Delay, or when its
// level asks for it. Lines keep their order, are never split nor mixed, and none is
// dropped because the writer is slow: then the calls that log wait for it. Memory is
// bounded by twice Size. Nothing runs while there is nothing to write.
//
// What a crash can lose: a process that panics, is killed or calls os.Exit without
// Close loses the lines of the last Delay, or of the write that was going on; not the
// line of an error, see FlushLevel.
//
// If the writer fails, the call that comes next returns the error, which slog ignores,
// and the lines are kept: they are tried again when another line has waited for Delay or
// finds no room, and a second later in any case. Only when two batches wait and fail
// again are they given up and counted, see [Batcher.Lost]. A line that was cut off then
// is ended, so that the next one is whole.
type Batcher struct {
	w     io.Writer
	size  int
	delay time.Duration
	level slog.Leveler

	mu      sync.Mutex
	ended   *sync.Cond // a write has: there may be room, or what Flush waits for is done
	lines   []byte     // what waits
	spare   []byte     // the other buffer, unless that is being written
	writing bool       // by one goroutine at a time, without the lock
	taken   int64      // bytes that came in
	settled int64      // bytes of them that were written or given up

	timer  *time.Timer // nil before the first line
	armed  bool        // the timer runs, or what it started
	closed bool

	midLine bool  // the last byte that was written does not end a line
	err     error // of the writer, not yet returned
	lost    int64
}

// Batch returns a Batcher that writes to w; nil means os.Stderr. Close it last of all,
// after whatever logs. It does not close w.
func Batch(w io.Writer, opts BatchOptions) *Batcher {
	if w == nil {
		w = os.Stderr
	}
	if opts.Size <= 0 {
		opts.Size = batchSize
	}
	if opts.Delay <= 0 {
		opts.Delay = batchDelay
	}
	if opts.FlushLevel == nil {
		opts.FlushLevel = slog.LevelError
	}
	b := &Batcher{w: w, size: opts.Size, delay: opts.Delay, level: opts.FlushLevel}
	b.ended = sync.NewCond(&b.mu)
	return b
}

// Write takes a line, or several whole ones, and copies it. It blocks while the batch is
// full and the one before is being written. The error, if any, is that of an earlier
// write: the line has been taken all the same. After Close, it writes the line itself.
func (b *Batcher) Write(line []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.makeRoom(len(line))
	b.lines = append(b.lines, line...)
	b.taken += int64(len(line))
	switch {
	case b.closed, len(b.lines) >= b.size && b.err == nil:
		_ = b.settle() // kept in b.err
	case !b.armed:
		b.arm(b.delay)
	}
	return len(line), b.takeErr()
}

// Flush writes what was taken before. It blocks until the writer below has it, and
// returns the first error since the last call that returned one.
func (b *Batcher) Flush() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	_ = b.settle()
	return b.takeErr()
}

// Close is Flush, and has what is written later go straight through: a late line of a
// shutdown is not lost. Its error tells of all lines that were lost, also if a call
// before returned it. It may be called again.
func (b *Batcher) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	if b.timer != nil {
		b.timer.Stop()
	}
	_ = b.settle()
	err := b.takeErr()
	switch waiting := b.count(); {
	case err != nil && b.lost+waiting > 0:
		return fmt.Errorf("logging: %d lines were lost, %d could not be written at the end: %w", b.lost, waiting, err)
	case err == nil && b.lost > 0:
		return fmt.Errorf("logging: %d lines were lost", b.lost)
	}
	return err
}

// Lost is how many lines were given up since the start, because the writer failed.
func (b *Batcher) Lost() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lost
}

// takeErr returns an error once.
func (b *Batcher) takeErr() error {
	err := b.err
	b.err = nil
	return err
}

// count is how many lines wait. The end of a line that is out, whole or cut off, is none.
func (b *Batcher) count() int64 {
	n := int64(bytes.Count(b.lines, []byte{'\n'}))
	if b.midLine && len(b.lines) > 0 && b.lines[0] == '\n' {
		n--
	}
	return n
}
