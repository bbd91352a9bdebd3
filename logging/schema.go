package logging

import (
	"log/slog"
	"strings"
	"time"

	"github.com/postlude/postlude/internal/errs"
	"github.com/postlude/postlude/internal/render"
	"github.com/postlude/postlude/runtime/taskconv"
)

// replacer returns a ReplaceAttr that does what all schemas share, and gives the
// attributes outside of groups the names of one.
//
// slog calls ReplaceAttr again for the attributes of a group that it returned,
// so what comes out of here must not be changed by a second pass.
func replacer(name func(slog.Attr) slog.Attr) func([]string, slog.Attr) slog.Attr {
	return func(groups []string, a slog.Attr) slog.Attr {
		if a.Value.Kind() == slog.KindDuration {
			a = milliseconds(a)
		}
		if len(groups) > 0 {
			return a
		}
		if a.Key == "error" || a.Key == "err" {
			return exception(a.Value)
		}
		return name(a)
	}
}

func milliseconds(a slog.Attr) slog.Attr {
	if a.Key != "" && !strings.HasSuffix(a.Key, "_ms") {
		a.Key += "_ms"
	}
	a.Value = slog.Float64Value(float64(a.Value.Duration()) / float64(time.Millisecond))
	return a
}

// exception makes of the value under "error" what every schema can hold beside
// error.type: text, always, because a field that is text on one line and an
// object on the next is refused by Elasticsearch.
//
// It returns a group without a key, whose attributes take the group's place and
// come through ReplaceAttr on their own, to be named by the schema.
func exception(v slog.Value) slog.Attr {
	if v.Kind() != slog.KindAny {
		return inline(slog.String(taskconv.ExceptionMessage, v.String()))
	}
	switch x := v.Any().(type) {
	case nil:
		return slog.Attr{}
	case error:
		return inline(slog.String(taskconv.ErrorType, errs.Type(x)),
			slog.String(taskconv.ExceptionMessage, errs.Text(x)))
	default:
		return inline(slog.String(taskconv.ExceptionMessage, renderer.JSON(x).String()))
	}
}

func inline(attrs ...slog.Attr) slog.Attr { return slog.Attr{Value: slog.GroupValue(attrs...)} }

// otelName leaves nearly everything as it is: OTel's names are the ones that
// the runtime uses.
func otelName(a slog.Attr) slog.Attr {
	src, ok := source(a)
	if !ok {
		return a
	}
	if src == nil {
		return slog.Attr{}
	}
	return inline(
		slog.String(taskconv.CodeFunctionName, src.Function),
		slog.String("code.file.path", src.File),
		slog.Int("code.line.number", src.Line),
	)
}

// source returns the place that logged, if that is what a is; nil if it is not known.
func source(a slog.Attr) (src *slog.Source, ok bool) {
	if a.Key != slog.SourceKey || a.Value.Kind() != slog.KindAny {
		return nil, false
	}
	if src, ok = a.Value.Any().(*slog.Source); ok && src != nil && src.File == "" {
		src = nil
	}
	return src, ok
}

// levelOf returns the record's level, if that is what a is; an attribute of the
// user's under the same key is text or a number.
func levelOf(a slog.Attr) (slog.Level, bool) {
	if a.Key != slog.LevelKey || a.Value.Kind() != slog.KindAny {
		return 0, false
	}
	l, ok := a.Value.Any().(slog.Level)
	return l, ok
}

// renderer is shared, because it remembers what it learned of each type.
var renderer = render.New(render.Options{})

// Redact returns v for a log line, rendered as the arguments of a task are:
// names such as password, token and card are masked at every depth, as are
// fields with the tag `log:"secret"`, and size is bounded. It is rendered only
// if the line is written.
//
//	logger.Info("paid", slog.Any("order", logging.Redact(order)))
func Redact(v any) slog.LogValuer { return redacting{v} }

type redacting struct{ v any }

func (r redacting) LogValue() slog.Value { return slog.AnyValue(renderer.JSON(r.v)) }
