package otlp

import (
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
	"time"

	logs "go.opentelemetry.io/proto/otlp/logs/v1"

	"github.com/postlude/postlude/e2e/internal/receiver"
)

// TestLogs: what a program logs by way of OpenTelemetry's bridge for slog arrives, one
// record for each JSON line, with the same fields.
func TestLogs(t *testing.T) {
	for protocol, env := range protocols {
		t.Run(protocol, func(t *testing.T) {
			r := receiver.Start(t)
			lines := decode(t, runEventful(t, r, env).Stdout.String())
			records := map[int64]receiver.Record{} // by time, of which each has its own
			for _, record := range r.Records() {
				records[int64(record.TimeUnixNano)] = record
			}
			if len(r.Records()) != len(lines) {
				t.Errorf("%d records for %d lines", len(r.Records()), len(lines))
			}
			for _, line := range lines {
				at, err := time.Parse(time.RFC3339Nano, line["time"].(string))
				if err != nil {
					t.Fatal(err)
				}
				record, ok := records[at.UnixNano()]
				if !ok {
					t.Errorf("the line of %v is no record: %v", at, line["msg"])
					continue
				}
				checkRecord(t, record, line)
			}
		})
	}
}

func decode(t *testing.T, text string) (lines []map[string]any) {
	t.Helper()
	for line := range strings.Lines(text) {
		d := json.NewDecoder(strings.NewReader(line))
		d.UseNumber()
		var fields map[string]any
		if err := d.Decode(&fields); err != nil {
			t.Fatalf("no JSON: %v\n%s", err, line)
		}
		lines = append(lines, fields)
	}
	return lines
}

var severities = map[any]logs.SeverityNumber{
	"DEBUG": logs.SeverityNumber_SEVERITY_NUMBER_DEBUG, "INFO": logs.SeverityNumber_SEVERITY_NUMBER_INFO,
	"WARN": logs.SeverityNumber_SEVERITY_NUMBER_WARN, "ERROR": logs.SeverityNumber_SEVERITY_NUMBER_ERROR,
}

func checkRecord(t *testing.T, r receiver.Record, line map[string]any) {
	t.Helper()
	name := line["msg"]
	if receiver.Value(r.Body) != name || r.SeverityNumber != severities[line["level"]] || r.DroppedAttributesCount != 0 {
		t.Errorf("%q is %v %q", name, r.SeverityNumber, receiver.Value(r.Body))
	}
	trace, _ := line["trace_id"].(string)
	span, _ := line["span_id"].(string)
	if hex.EncodeToString(r.TraceId) != trace || hex.EncodeToString(r.SpanId) != span {
		t.Errorf("%q has the trace %x and span %x, not %s and %s", name, r.TraceId, r.SpanId, trace, span)
	}
	if line["event"] == nil {
		return // the program's own: what the bridge makes of its attributes is between the two
	}
	for key, want := range line {
		switch key {
		case "time", "level", "msg": // fields of the record
		case "task.args":
			sameJSON(t, r.Attrs[key], want)
		default:
			if got := r.Attrs[key]; !sameValue(got, want) {
				t.Errorf("%s of %q is %T %.300v, not %T %.300v", key, name, got, got, want, want)
			}
		}
	}
}

// sameValue compares an attribute with a JSON value: text, boolean, or number.
func sameValue(got, want any) bool {
	n, isNumber := want.(json.Number)
	if !isNumber {
		return got == want
	}
	switch got := got.(type) {
	case int64:
		i, err := n.Int64()
		return err == nil && i == got
	case float64:
		f, err := n.Float64()
		return err == nil && f == got
	}
	return false
}
