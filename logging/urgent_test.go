package logging_test

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/postlude/postlude/internal/tasklog"
	"github.com/postlude/postlude/logging"
	"github.com/postlude/postlude/runtime/taskconv"
)

// A line of FlushLevel is written when the call returns, with those before it.
func TestFlushLevel(t *testing.T) {
	for name, tc := range map[string]struct {
		opts  logging.Options
		level slog.Leveler
		want  map[slog.Level]bool
	}{
		"default":       {logging.Options{}, nil, map[slog.Level]bool{slog.LevelWarn: false, slog.LevelError: true}},
		"ecs":           {logging.Options{Schema: logging.ECS}, nil, map[slog.Level]bool{slog.LevelWarn: false, slog.LevelError: true}},
		"console":       {logging.Options{Format: logging.Console}, nil, map[slog.Level]bool{slog.LevelWarn: false, slog.LevelError: true}},
		"from warnings": {logging.Options{}, slog.LevelWarn, map[slog.Level]bool{slog.LevelInfo: false, slog.LevelWarn: true}},
		"never":         {logging.Options{}, slog.Level(math.MaxInt), map[slog.Level]bool{slog.LevelError: false}},
	} {
		for l, want := range tc.want {
			t.Run(fmt.Sprint(name, " ", l), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var s sink
					b := logging.Batch(&s, logging.BatchOptions{FlushLevel: tc.level})
					logger := slog.New(logging.NewHandler(b, tc.opts))
					logger.Info("before")
					logger.With("k", "v").WithGroup("g").Log(t.Context(), l, "now")
					out := strings.Join(s.take(), "")
					if got := strings.Contains(out, "before") && strings.Contains(out, "now"); got != want {
						t.Errorf("written at once: %q", out)
					}
					if err := b.Close(); err != nil {
						t.Error(err)
					}
				})
			})
		}
	}
}

// The runtime's records, which take the short way, too.
func TestFlushLevelOfTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s sink
		b := logging.Batch(&s, logging.BatchOptions{})
		h := logging.NewHandler(b, logging.Options{}).WithAttrs([]slog.Attr{slog.String(taskconv.TaskName, "charge")}).(tasklog.Handler)
		for _, r := range []tasklog.Record{
			{Time: at, Message: "task succeeded", Event: taskconv.EventSucceeded},
			{Time: at, Level: slog.LevelError, Message: "task failed", Event: taskconv.EventFailed},
		} {
			if got := s.take(); got != nil {
				t.Errorf("%q", got)
			}
			if handled, err := h.HandleTask(t.Context(), &r); !handled || err != nil {
				t.Errorf("HandleTask = %v, %v", handled, err)
			}
		}
		if got := s.take(); len(got) != 1 || strings.Count(got[0], "\n") != 2 {
			t.Errorf("%q", got)
		}
		// A handler that does not know the short way does nothing.
		console := logging.NewHandler(b, logging.Options{Format: logging.Console}).(tasklog.Handler)
		if handled, err := console.HandleTask(t.Context(), &tasklog.Record{Level: slog.LevelError}); handled || err != nil {
			t.Errorf("HandleTask = %v, %v", handled, err)
		}
	})
}

func TestFlushLevelTellsOfFailure(t *testing.T) {
	b := logging.Batch(&flaky{script: []byte{0}}, logging.BatchOptions{})
	h := logging.NewHandler(b, logging.Options{})
	if err := h.Handle(t.Context(), slog.NewRecord(at, slog.LevelError, "m", 0)); !errors.Is(err, errFull) {
		t.Errorf("Handle = %v", err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}
