package logging

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/postlude/postlude/runtime/taskconv"
)

// Only a terminal gets colours, which a test has none of.
func TestConsoleColours(t *testing.T) {
	var buf bytes.Buffer
	h := newConsole(&buf, Options{Level: slog.LevelInfo})
	r := slog.NewRecord(time.Unix(0, 0), slog.LevelError, "m", 0)
	r.AddAttrs(slog.String(taskconv.TaskName, "t"), slog.String(taskconv.ExceptionMessage, "e e"),
		slog.String(taskconv.ExceptionStacktrace, "frame"))
	if err := h.Handle(context.Background(), r); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"\x1b[91mERR\x1b[0m m", "\x1b[2;96mtask=", "\x1b[2;91merr=", "\n\x1b[2m    frame\x1b[0m\n"} {
		if !strings.Contains(buf.String(), want) {
			t.Errorf("no %q in %q", want, buf.String())
		}
	}
}

func TestReadable(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 999: "999ns", 1234: "1.2µs", 999_960: "1ms", 3_141_592: "3.1ms", -3_141_592: "-3.1ms",
		1_250 * time.Millisecond: "1.3s", 90*time.Minute + 400*time.Millisecond: "1h30m0s",
	} {
		if got := readable(d).String(); got != want {
			t.Errorf("readable(%d) = %s, want %s", d, got, want)
		}
	}
}
