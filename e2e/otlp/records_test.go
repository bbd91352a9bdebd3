package otlp

import (
	"encoding/json"
	"testing"
)

// checkRecords: the record of a task's failure leads to its span, and both tell the same.
func (r *received) checkRecords(t *testing.T) {
	same := []string{"task.name", "task.id", "task.timing", "task.shield", "task.outcome", "task.verdict", "task.verdict.handler", "error.type"}
	for _, record := range r.Server.Records("task.failed") {
		id, _ := record["span_id"].(string)
		s, ok := r.spans[id]
		if !ok || s.Trace() != record["trace_id"] || record["trace_flags"] != "01" || s.Flags&1 != 1 {
			t.Errorf("the record of %v leads to the span %q", record["task.name"], id)
			continue
		}
		for _, key := range same {
			if s.Attrs[key] != record[key] {
				t.Errorf("%s of %s is %v on the span and %v in the record", key, s.Name, s.Attrs[key], record[key])
			}
		}
		if s.Status.Message != record["exception.message"] {
			t.Errorf("%s failed with %q and %q", s.Name, s.Status.Message, record["exception.message"])
		}
		if record["task.args"] != nil {
			sameJSON(t, s.Attrs["task.args"], record["task.args"])
		}
	}
}

// sameJSON compares a text that is JSON with what was decoded from the same JSON.
func sameJSON(t *testing.T, text, decoded any) {
	t.Helper()
	s, _ := text.(string)
	var v any
	if err := json.Unmarshal([]byte(s), &v); err != nil {
		t.Errorf("no JSON: %v: %q", err, s)
		return
	}
	a, err1 := json.Marshal(v)
	b, err2 := json.Marshal(decoded)
	if err1 != nil || err2 != nil || string(a) != string(b) {
		t.Errorf("%s is not %s (%v, %v)", a, b, err1, err2)
	}
}
