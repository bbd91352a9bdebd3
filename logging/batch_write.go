package logging

import (
	"errors"
	"fmt"
	"io"
	"time"
)

// What follows is called with the lock, and returns with it.

// makeRoom waits for room for n bytes, and writes if nobody else does. A batch for which
// there is none, because the writer fails, is given up.
func (b *Batcher) makeRoom(n int) {
	for len(b.lines) > 0 && len(b.lines)+n > b.size {
		if b.writing {
			b.ended.Wait()
			continue
		}
		if b.writeOut() == nil {
			continue
		}
		if len(b.lines)+n > 2*b.size {
			b.giveUp()
		}
		return
	}
}

// settle has everything written that was taken before, or fails once. What others add
// meanwhile is not waited for.
func (b *Batcher) settle() error {
	for upTo := b.taken; b.settled < upTo; {
		if b.writing {
			b.ended.Wait()
			continue
		}
		if err := b.writeOut(); err != nil {
			return err
		}
	}
	return nil
}

var errWriterPanicked = errors.New("the writer panicked")

// writeOut writes what waits, without the lock: others go on with the second buffer. The
// caller has made sure that nobody else is writing.
func (b *Batcher) writeOut() error {
	out := b.lines
	b.lines, b.spare = b.spare[:0], nil
	b.writing = true
	b.mu.Unlock()
	n, err := 0, errWriterPanicked
	defer func() { // also if the writer panics: whoever recovers must not find it locked up
		b.mu.Lock()
		b.wrote(out, n, err)
	}()
	n, err = writeAll(b.w, out)
	return err
}

// writeAll makes an error of whatever is less than everything.
func writeAll(w io.Writer, p []byte) (int, error) {
	n, err := w.Write(p)
	n = max(0, min(n, len(p))) // a writer that counts wrong must not panic us
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	return n, err
}

// wrote notes that n bytes of out were written. The rest goes before what was taken
// meanwhile; both fit into two batches.
func (b *Batcher) wrote(out []byte, n int, err error) {
	b.writing = false
	b.settled += int64(n)
	if n > 0 {
		b.midLine = out[n-1] != '\n'
	}
	if rest := out[n:]; len(rest) > 0 {
		b.lines, b.spare = append(rest, b.lines...), b.lines[:0]
	} else if cap(out) <= 2*b.size { // a huge line's memory is not kept
		b.spare = out[:0]
	}
	if err != nil {
		b.err = fmt.Errorf("logging: write of a batch of lines: %w", err)
	}
	b.ended.Broadcast()
}

// giveUp drops what waits. The next line begins a line: what there is of a line that was cut
// off is ended before.
func (b *Batcher) giveUp() {
	b.lost += b.count()
	b.settled += int64(len(b.lines))
	b.lines = b.lines[:0]
	if b.midLine {
		b.lines = append(b.lines, '\n')
		b.taken++
	}
	b.ended.Broadcast()
}

// arm has what waits written after d.
func (b *Batcher) arm(d time.Duration) {
	b.armed = true
	if b.timer == nil {
		b.timer = time.AfterFunc(d, b.due)
		return
	}
	b.timer.Reset(d)
}

// due is what the timer runs. It is not armed again before it is done, so there is one
// goroutine of it, however slow the writer.
func (b *Batcher) due() {
	b.mu.Lock()
	defer b.mu.Unlock()
	err := b.settle()
	b.armed = false
	switch {
	case b.closed || len(b.lines) == 0:
	case err != nil:
		b.arm(batchRetry)
	default:
		b.arm(b.delay)
	}
}
