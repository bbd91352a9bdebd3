package logging_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/postlude/postlude/internal/render"
	"github.com/postlude/postlude/logging"
	"github.com/postlude/postlude/runtime/taskconv"
)

type badError struct{}

func (badError) Error() string { panic("no") }

func line(opts logging.Options, l slog.Level, attrs ...slog.Attr) string {
	var buf bytes.Buffer
	emit(logging.NewHandler(&buf, opts), context.Background(), l, "m", attrs...)
	return buf.String()
}

func TestSchemaFields(t *testing.T) {
	otel, ecs, gcp := logging.Options{}, logging.Options{Schema: logging.ECS}, logging.Options{Schema: logging.GCP}
	flags := slog.String(taskconv.LogTraceFlags, "00")
	tests := map[string]struct {
		got  string
		want string
	}{
		"error":            {line(otel, 0, slog.Any("err", errors.New("e"))), `"error.type":"*errors.errorString","exception.message":"e"`},
		"error text":       {line(otel, 0, slog.String("error", "e")), `"exception.message":"e"`},
		"error object":     {line(ecs, 0, slog.Any("error", map[string]int{"code": 1})), `"error.message":"{\"code\":1}"`},
		"error number":     {line(ecs, 0, slog.Int("error", 7)), `"error.message":"7"`},
		"error nil":        {line(otel, 0, slog.Any("error", nil)), `"msg":"m"}`},
		"error panics":     {line(otel, 0, slog.Any("error", badError{})), `!PANIC: Error of logging_test.badError`},
		"error in a group": {line(otel, 0, slog.Group("g", slog.Any("error", errors.New("e")))), `"g":{"error":"e"}`},
		"duration":         {line(otel, 0, slog.Duration("d", 1500*time.Microsecond)), `"d_ms":1.5`},
		"duration, named":  {line(gcp, 0, slog.Group("g", slog.Duration("d_ms", time.Second))), `"g":{"d_ms":1000}`},
		"NaN":              {line(otel, 0, slog.Float64("f", math.NaN())), `"f":"!ERROR`},
		"user's level":     {line(ecs, 0, slog.String("level", "x")), `"level":"x"`},
		"ecs level":        {line(ecs, slog.LevelWarn), `"log.level":"warn"`},
		"gcp debug":        {line(logging.Options{Schema: logging.GCP, Level: slog.LevelDebug}, slog.LevelDebug), `"severity":"DEBUG"`},
		"gcp notice":       {line(gcp, 2), `"severity":"NOTICE"`},
		"gcp critical":     {line(gcp, 12), `"severity":"CRITICAL"`},
		"gcp unsampled":    {line(gcp, 0, flags), `"logging.googleapis.com/trace_sampled":false`},
		"gcp bare trace":   {line(gcp, 0, slog.String("trace_id", traceID)), `"logging.googleapis.com/trace":"` + traceID + `"`},
		"redact":           {line(otel, 0, slog.Any("o", logging.Redact(map[string]string{"pin": "1"}))), `"o":{"pin":"[REDACTED]"}`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if !strings.Contains(tc.got, tc.want) {
				t.Errorf("got %swant %s in it", tc.got, tc.want)
			}
			checkObject(t, []byte(tc.got))
		})
	}
}

func TestAddSource(t *testing.T) {
	for name, tc := range map[string]struct {
		schema logging.Schema
		want   string
	}{
		"otel": {logging.OTel, `"code.file.path":"`},
		"ecs":  {logging.ECS, `"log.origin.file.name":"`},
		"gcp":  {logging.GCP, `"logging.googleapis.com/sourceLocation":{"file":"`},
	} {
		t.Run(name, func(t *testing.T) {
			var buf bytes.Buffer
			opts := logging.Options{Schema: tc.schema, AddSource: true}
			log := logging.New(&buf, opts)
			log.WithGroup("g").InfoContext(inTask(), "m", "a", 1)
			if !strings.Contains(buf.String(), tc.want) || !strings.Contains(buf.String(), "logging_test.go") {
				t.Errorf("no source: %s", buf.String())
			}
			checkObject(t, buf.Bytes())
			if got := line(opts, 0); strings.Contains(got, "source") || strings.Contains(got, "file") {
				t.Errorf("a source that isn't known: %s", got)
			}
		})
	}
}

func TestLevelIsLive(t *testing.T) {
	var buf bytes.Buffer
	level := new(slog.LevelVar)
	for _, f := range []logging.Format{logging.JSON, logging.Console} {
		buf.Reset()
		level.Set(slog.LevelInfo)
		log := logging.New(&buf, logging.Options{Level: level, Format: f})
		log.Debug("hidden")
		level.Set(slog.LevelDebug)
		log.Debug("shown")
		if s := buf.String(); strings.Contains(s, "hidden") || !strings.Contains(s, "shown") {
			t.Errorf("got %s", s)
		}
	}
}

func TestConsole(t *testing.T) {
	console := logging.Options{Format: logging.Console}
	ms := func(f float64) slog.Attr { return slog.Float64(taskconv.LogDurationMS, f) }
	for want, got := range map[string]string{
		"took=12.3µs":          line(console, 0, ms(0.01234)),
		"took=3.1ms":           line(console, 0, ms(3.14)),
		"took=12.3s":           line(console, 0, ms(12345)),
		"took=2m3s":            line(console, 0, ms(123456)),
		"took=x":               line(console, 0, slog.String(taskconv.LogDurationMS, "x")),
		"wait=1.2ms":           line(console, 0, slog.Duration("wait", 1234567)),
		"05:06:07.089 INF m\n": line(console, 0, slog.Any("err", nil), slog.Int(taskconv.TaskAttempt, 1)),
		"args=o-17":            line(console, 0, slog.Any(taskconv.TaskArgs, render.Of(`"o-17"`))),
		"args=null":            line(console, 0, slog.Any(taskconv.TaskArgs, render.Of(`null`))),
		"args.a={} args.b.0=1 args.b.1.c=true": line(console, 0,
			slog.Any(taskconv.TaskArgs, render.Of(`{"a":{},"b":[1,{"c":true}]}`))),
		"args=[1,2]": line(console, 0, slog.Any(taskconv.TaskArgs, render.Of(`[1,2]`))),
	} {
		if !strings.Contains(got, want) {
			t.Errorf("got %q, want %q in it", got, want)
		}
		if strings.Contains(got, "\x1b") {
			t.Errorf("colours without a terminal: %q", got)
		}
	}
}

// A value that logs while it is logged must not wait for a lock that its own line holds.
func TestConsoleReentrant(t *testing.T) {
	var buf bytes.Buffer
	h := logging.NewHandler(&buf, logging.Options{Format: logging.Console})
	emit(h, context.Background(), slog.LevelError, "outer",
		slog.Any("v", chatty{slog.New(h)}), slog.String(taskconv.ExceptionStacktrace, stack))
	if s := buf.String(); !strings.Contains(s, "inner") || !strings.Contains(s, "outer v=said\n    goroutine 7") {
		t.Errorf("got %s", s)
	}
}

type chatty struct{ log *slog.Logger }

func (c chatty) LogValue() slog.Value {
	c.log.Info("inner")
	return slog.StringValue("said")
}

// Whatever is logged, a pipeline reads one object from one line.
func FuzzLine(f *testing.F) {
	f.Add("m", "k", "v", `{"a":[1,{"b":null}]}`)
	f.Add("\n\x00", "error", "\xff", `[[]`)
	f.Add("\u2028", "", "\x1b[31m", `"x`)
	f.Fuzz(func(t *testing.T, msg, key, value, json string) {
		// The keys of the record itself would be there twice, as in all of slog.
		if key == "msg" || key == "time" || key == "level" || strings.Contains(key, "_ms") {
			t.Skip()
		}
		args := slog.Any(taskconv.TaskArgs, render.Of(json))
		for _, opts := range presets {
			var buf bytes.Buffer
			h := logging.NewHandler(&buf, opts).WithAttrs([]slog.Attr{slog.Group("g", slog.String(key, value))})
			emit(h, inTask(), slog.LevelInfo, msg, slog.Any(key+"_", errors.New(value)), args)
			if n := bytes.Count(buf.Bytes(), []byte("\n")); n != 1 {
				t.Errorf("%d lines: %q", n, buf.String())
			}
			checkObject(t, buf.Bytes())
		}
		emit(logging.NewHandler(&bytes.Buffer{}, logging.Options{Format: logging.Console}), inTask(), slog.LevelInfo, msg, args)
	})
}
