package logging

import (
	"log/slog"
	"strconv"

	"github.com/postlude/postlude/runtime/taskconv"
)

// The special fields of structured logging.
// https://cloud.google.com/logging/docs/structured-logging
const (
	gcpTrace   = "logging.googleapis.com/trace"
	gcpSpan    = "logging.googleapis.com/spanId"
	gcpSampled = "logging.googleapis.com/trace_sampled"
	gcpSource  = "logging.googleapis.com/sourceLocation"
)

// gcpNames returns the naming for a project, which may be empty.
func gcpNames(project string) func(slog.Attr) slog.Attr {
	prefix := ""
	if project != "" {
		prefix = "projects/" + project + "/traces/"
	}
	return func(a slog.Attr) slog.Attr {
		switch a.Key {
		case slog.LevelKey:
			if l, ok := levelOf(a); ok {
				return slog.String("severity", severity(l))
			}
		case slog.MessageKey:
			a.Key = "message"
		case slog.SourceKey:
			return gcpSourceOf(a)
		case taskconv.LogTraceID:
			return slog.String(gcpTrace, prefix+a.Value.String())
		case taskconv.LogSpanID:
			a.Key = gcpSpan
		case taskconv.LogTraceFlags:
			// W3C: bit 0 of the flags is "sampled".
			flags, _ := strconv.ParseUint(a.Value.String(), 16, 8)
			return slog.Bool(gcpSampled, flags&1 == 1)
		case taskconv.ExceptionStacktrace:
			a.Key = "stack_trace" // what Error Reporting looks for
		case "message", "severity":
			a.Key = "attr." + a.Key // the user's: they'd be there twice
		}
		return a
	}
}

// severity maps slog's levels, and those between, to LogSeverity.
func severity(l slog.Level) string {
	switch {
	case l < slog.LevelInfo:
		return "DEBUG"
	case l < slog.LevelInfo+2:
		return "INFO"
	case l < slog.LevelWarn:
		return "NOTICE"
	case l < slog.LevelError:
		return "WARNING"
	case l < slog.LevelError+4:
		return "ERROR"
	}
	return "CRITICAL"
}

func gcpSourceOf(a slog.Attr) slog.Attr {
	src, ok := source(a)
	switch {
	case !ok:
		return a
	case src == nil:
		return slog.Attr{}
	}
	return slog.Group(gcpSource,
		slog.String("file", src.File),
		slog.String("line", strconv.Itoa(src.Line)), // an int64 is text in proto3's JSON
		slog.String("function", src.Function),
	)
}
