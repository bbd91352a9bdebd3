package logging

import (
	"log/slog"
	"strings"

	"github.com/postlude/postlude/internal/render"
	"github.com/postlude/postlude/runtime/taskconv"
)

// ecsVersion is the version of the Elastic Common Schema that the names are from.
// https://www.elastic.co/docs/reference/ecs
const ecsVersion = "8.17.0"

// ecsNames are ECS's names for ours.
var ecsNames = map[string]string{
	taskconv.LogTraceID:          "trace.id",
	taskconv.LogSpanID:           "span.id",
	taskconv.LogTraceFlags:       "trace.flags",
	taskconv.LogEvent:            "event.action",
	taskconv.ExceptionType:       "error.type",
	taskconv.ExceptionMessage:    "error.message",
	taskconv.ExceptionStacktrace: "error.stack_trace",
	taskconv.CodeFunctionName:    "log.origin.function",

	// task.verdict can't be text and hold a field of its own.
	taskconv.TaskVerdictHandler: "task.verdict_handler",

	// An attribute of the user's that would be there twice: the record's own
	// come as msg, time and level. Elasticsearch refuses a document with the
	// same key twice.
	"message":    "labels.message",
	"@timestamp": "labels.timestamp",
	"log.level":  "labels.level",
}

func ecsName(a slog.Attr) slog.Attr {
	if l, ok := levelOf(a); ok {
		return slog.String("log.level", strings.ToLower(l.String()))
	}
	if src, ok := source(a); ok {
		if src == nil {
			return slog.Attr{}
		}
		return inline(
			slog.String("log.origin.function", src.Function),
			slog.String("log.origin.file.name", src.File),
			slog.Int("log.origin.file.line", src.Line),
		)
	}
	switch {
	case a.Key == slog.TimeKey && a.Value.Kind() == slog.KindTime:
		a.Key = "@timestamp"
	case a.Key == slog.MessageKey:
		a.Key = "message"
	default:
		if name, ok := ecsNames[a.Key]; ok {
			a.Key = name
		}
	}
	// Arguments are text here. As objects, "task.args.id" would be a number for
	// one task and text for another, and Elasticsearch refuses the document that
	// comes second.
	if a.Value.Kind() == slog.KindAny {
		if j, ok := a.Value.Any().(render.JSON); ok {
			a.Value = slog.StringValue(j.String())
		}
	}
	return a
}
