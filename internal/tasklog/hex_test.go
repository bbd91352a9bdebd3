package tasklog_test

import (
	"fmt"
	"testing"

	"go.opentelemetry.io/otel/trace"

	"github.com/postlude/postlude/internal/tasklog"
)

func FuzzHex(f *testing.F) {
	f.Add([]byte{}, byte(0))
	f.Add([]byte{0x00, 0x01, 0x09, 0x0a, 0x0f, 0x10, 0x90, 0xa0, 0xf0, 0x99, 0x9a, 0xa9, 0xaa, 0xff, 0x7f, 0x80}, byte(0xff))
	f.Fuzz(func(t *testing.T, bytes []byte, flags byte) {
		var id trace.TraceID
		var span trace.SpanID
		copy(id[:], bytes)
		copy(span[:], bytes)
		sc := trace.NewSpanContext(trace.SpanContextConfig{TraceID: id, SpanID: span, TraceFlags: trace.TraceFlags(flags)})

		want := [3]string{id.String(), span.String(), sc.TraceFlags().String()}
		traceID, spanID, flagsText := tasklog.SpanText(sc)
		if got := [3]string{traceID, spanID, flagsText}; got != want {
			t.Errorf("SpanText: got %q, want %q", got, want)
		}
		if got, want := string(tasklog.AppendSpan([]byte("a"), sc, "b", "c", "d")), "ab"+want[0]+"c"+want[1]+"d"+want[2]; got != want {
			t.Errorf("AppendSpan: got %s, want %s", got, want)
		}
		uuid := fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
		if got := string(tasklog.AppendID(nil, id)); got != uuid {
			t.Errorf("AppendID: got %s, want %s", got, uuid)
		}
	})
}
