package otelsetup_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel"

	"github.com/postlude/postlude/otelx/otelsetup"
)

func jsonLogger(w io.Writer) *slog.Logger { return slog.New(slog.NewJSONHandler(w, nil)) }

func lines(t *testing.T, out string) []map[string]any {
	t.Helper()
	var got []map[string]any
	dec := json.NewDecoder(strings.NewReader(out))
	for dec.More() {
		var line map[string]any
		if err := dec.Decode(&line); err != nil {
			t.Fatal(err)
		}
		got = append(got, line)
	}
	return got
}

// An outage of the back end is a handful of lines a minute, whatever it throws.
func TestReportsAreLimited(t *testing.T) {
	cleanEnv(t)
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		start(t, otelsetup.Config{Logger: jsonLogger(&out)})
		same := fmt.Errorf("traces export: %w", errors.ErrUnsupported)
		for i := range 1000 {
			otel.Handle(same)
			otel.Handle(fmt.Errorf("write from port %d: broken pipe", i))
		}
		got := lines(t, out.String())
		if len(got) != 5 {
			t.Fatalf("%d lines", len(got))
		}
		first := got[0]
		if first["event"] != "otel.error" || first["exception.message"] != same.Error() ||
			first["level"] != "WARN" || first["error.type"] != "*errors.errorString" {
			t.Errorf("line = %v", first)
		}
		time.Sleep(2 * time.Minute)
		otel.Handle(same)
		got = lines(t, out.String())
		accounted := float64(len(got))
		for _, line := range got {
			accounted += line["otel.suppressed"].(float64)
		}
		if len(got) != 6 || accounted != 2001 {
			t.Errorf("%d lines account for %v errors", len(got), accounted)
		}
	})
}

// failingBridge stands for a logger that is bridged to OpenTelemetry logs whose
// export fails: each record makes an error, of which a record is made.
type failingBridge struct{ calls int }

func (b *failingBridge) Enabled(context.Context, slog.Level) bool { return true }
func (b *failingBridge) WithAttrs([]slog.Attr) slog.Handler       { return b }
func (b *failingBridge) WithGroup(string) slog.Handler            { return b }

func (b *failingBridge) Handle(context.Context, slog.Record) error {
	b.calls++
	otel.Handle(fmt.Errorf("log export %d failed", b.calls))
	return nil
}

func TestReportsDontFeedThemselves(t *testing.T) {
	cleanEnv(t)
	bridge := &failingBridge{}
	start(t, otelsetup.Config{Logger: slog.New(bridge)})
	otel.Handle(errors.New("export failed"))
	if bridge.calls != 5 {
		t.Errorf("%d calls", bridge.calls)
	}
}

// Without a logger, reports go to whatever slog's default is when they come.
func TestDefaultLoggerIsAskedLate(t *testing.T) {
	cleanEnv(t)
	sdk, err := otelsetup.Start(t.Context(), otelsetup.Config{Console: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	defer sdk.Shutdown(context.Background())
	old := slog.Default()
	t.Cleanup(func() { slog.SetDefault(old) })
	var out bytes.Buffer
	slog.SetDefault(jsonLogger(&out))
	otel.Handle(nil)
	otel.Handle(errors.New("late"))
	if got := lines(t, out.String()); len(got) != 1 || got[0]["exception.message"] != "late" {
		t.Errorf("lines = %v", got)
	}
}
