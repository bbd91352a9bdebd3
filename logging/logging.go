// Package logging builds [log/slog] loggers for services that run background
// work: one JSON object a line, with names that log pipelines know, or a
// console form for humans, and the ids of trace and task on every line.
//
//	logger := logging.New(os.Stderr, logging.Options{})
//	slog.SetDefault(logger)
//
// # Fields
//
// All presets keep keys flat ("task.name", not {"task":{"name":…}}) and treat
// these values alike, so that a field has one type, whoever writes it:
//
//   - A time.Duration becomes a number of milliseconds, and its key ends in _ms:
//     slog.Duration("wait", time.Second) is "wait_ms":1000. slog's own form, an
//     integer of nanoseconds, tells nobody its unit.
//   - "error" or "err" outside of groups becomes exception.message and, for an
//     error, error.type (error.message and error.type in [ECS]): text under
//     "error" would collide with the object that "error.type" makes of it. A nil
//     error is left out.
//
// Arguments of tasks have been redacted before they come here. Other values are
// printed as slog prints them; wrap what may hold secrets in [Redact].
package logging

import (
	"io"
	"log/slog"
	"os"

	"golang.org/x/term"
)

// Format is how a record is written.
type Format int

const (
	Auto    Format = iota // Console if the writer is a terminal, else JSON
	JSON                  // one JSON object a line, named by the Schema
	Console               // for humans
)

// Schema is whose names the fields of a JSON line have.
type Schema int

const (
	// OTel has slog's time, level and msg, and OpenTelemetry's names for the rest:
	// trace_id, span_id and trace_flags as its "Trace Context in non-OTLP Log
	// Formats" has them, exception.message, exception.stacktrace, error.type.
	OTel Schema = iota
	// ECS is the Elastic Common Schema: @timestamp, log.level, message, trace.id, error.message.
	ECS
	// GCP is what Google Cloud's logging agents understand: severity, message,
	// logging.googleapis.com/trace, stack_trace.
	GCP
)

// Options configure a logger. The zero value logs from Info on, as OTel JSON
// or, to a terminal, for humans.
type Options struct {
	Format Format
	Schema Schema // of JSON lines; Console ignores it

	// Level is the least level that is logged; nil means Info. A *slog.LevelVar
	// can be changed while the program runs.
	Level slog.Leveler

	// Project is the Google Cloud project that a GCP trace id is qualified with,
	// which links a log line to its trace. Without it, the bare id is written.
	Project string

	// NoColor turns colours off. They are off anyway if the writer is no
	// terminal, if NO_COLOR (https://no-color.org) is set, or if TERM is dumb.
	NoColor bool

	// AddSource adds the place in the code that logged.
	AddSource bool
}

// New returns a logger that writes to w; nil means os.Stderr. Its lines carry
// the ids of trace and task, see [Correlate]. To a file or pipe that gets many
// lines, a [Batcher] writes many at once.
func New(w io.Writer, opts Options) *slog.Logger {
	return slog.New(NewHandler(w, opts))
}

// NewHandler returns the handler of [New], for who wraps it further. Every
// record is one call of w.Write, and all handlers derived from one another
// share a lock: make one handler for a writer, and lines never interleave.
func NewHandler(w io.Writer, opts Options) slog.Handler {
	if w == nil {
		w = os.Stderr
	}
	if opts.Level == nil {
		opts.Level = slog.LevelInfo
	}
	tty := isTerminal(w)
	var h slog.Handler
	if opts.Format == Console || opts.Format == Auto && tty {
		opts.NoColor = opts.NoColor || !tty || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb"
		h = newConsole(w, opts)
	} else {
		h = newJSON(w, opts)
	}
	if b, ok := w.(*Batcher); ok {
		h = &urgent{h, b}
	}
	return Correlate(h)
}

// isTerminal reports whether a human may sit behind w.
func isTerminal(w io.Writer) bool {
	if b, ok := w.(*Batcher); ok {
		w = b.w
	}
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

func newJSON(w io.Writer, opts Options) slog.Handler {
	names := otelName
	switch opts.Schema {
	case ECS:
		names = ecsName
	case GCP:
		names = gcpNames(opts.Project)
	}
	out := w
	if _, ok := w.(*Batcher); !ok { // it has a lock of its own, and does not hold it while it writes
		out = &lockedWriter{w: w}
	}
	var h slog.Handler = slog.NewJSONHandler(out, &slog.HandlerOptions{
		AddSource:   opts.AddSource,
		Level:       opts.Level,
		ReplaceAttr: replacer(names),
	})
	switch {
	case opts.Schema == OTel && !opts.AddSource:
		h = newShortcut(out, h)
	case opts.Schema == ECS:
		h = h.WithAttrs([]slog.Attr{slog.String("ecs.version", ecsVersion)})
	}
	return h
}
