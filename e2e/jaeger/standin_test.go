package jaeger

import (
	"cmp"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	traces "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/postlude/postlude/e2e/internal/receiver"
)

// standIn takes OTLP and answers as a Jaeger does, as far as these tests ask.
type standIn struct {
	*receiver.Receiver
	query string
}

func startStandIn(t *testing.T) *standIn {
	t.Helper()
	s := &standIn{Receiver: receiver.Start(t)}
	srv := httptest.NewServer(http.HandlerFunc(s.search))
	t.Cleanup(srv.Close)
	s.query = srv.URL
	return s
}

func (s *standIn) search(w http.ResponseWriter, r *http.Request) {
	var tags map[string]string
	if err := json.Unmarshal([]byte(r.FormValue("tags")), &tags); err != nil || r.URL.Path != "/api/traces" {
		http.Error(w, "what is "+r.URL.String(), http.StatusBadRequest)
		return
	}
	byTrace, hits := map[string][]receiver.Span{}, map[string]bool{}
	for _, span := range s.Spans() {
		if span.Resource["service.name"] != r.FormValue("service") {
			continue
		}
		byTrace[span.Trace()] = append(byTrace[span.Trace()], span)
		hit := true
		for key, value := range tags {
			hit = hit && span.Attrs[key] == value
		}
		hits[span.Trace()] = hits[span.Trace()] || hit
	}
	answer := struct {
		Data []Trace `json:"data"`
	}{[]Trace{}}
	for id, spans := range byTrace {
		if hits[id] {
			answer.Data = append(answer.Data, translate(id, spans))
		}
	}
	_ = json.NewEncoder(w).Encode(answer) // fails if the client has gone
}

// translate makes of spans what Jaeger makes of them.
func translate(id string, spans []receiver.Span) Trace {
	t := Trace{ID: id, Processes: map[string]Process{}}
	for _, s := range spans {
		t.Processes["p1"] = Process{Service: s.Resource["service.name"].(string), Tags: tagsOf(s.Resource)}
		tags := append(tagsOf(s.Attrs), Tag{"span.kind", "string", strings.ToLower(strings.TrimPrefix(s.Kind.String(), "SPAN_KIND_"))})
		if s.Status.GetCode() == traces.Status_STATUS_CODE_ERROR {
			tags = append(tags, Tag{"error", "bool", true}, Tag{"otel.status_description", "string", s.Status.Message})
		}
		t.Spans = append(t.Spans, Span{
			ID: s.ID(), Name: s.Name, References: references(s), Tags: tags, ProcessID: "p1",
			Start: int64(s.StartTimeUnixNano / 1000), Duration: int64((s.EndTimeUnixNano - s.StartTimeUnixNano) / 1000),
			Logs: logsOf(s),
		})
	}
	return t
}

// references: a parent that is also linked to is one reference, as a link.
func references(s receiver.Span) (refs []Reference) {
	linked := false
	for _, l := range s.Links {
		ref := Reference{FollowsFrom, hex.EncodeToString(l.TraceId), hex.EncodeToString(l.SpanId)}
		linked = linked || ref.Span == s.Parent()
		refs = append(refs, ref)
	}
	if s.Parent() != "" && !linked {
		refs = append([]Reference{{ChildOf, s.Trace(), s.Parent()}}, refs...)
	}
	return refs
}

func logsOf(s receiver.Span) (logs []Log) {
	for _, e := range s.Events {
		fields := append(tagsOf(receiver.Map(e.Attributes)), Tag{"event", "string", e.Name})
		logs = append(logs, Log{Time: int64(e.TimeUnixNano / 1000), Fields: fields})
	}
	return logs
}

func tagsOf(attrs map[string]any) (tags []Tag) {
	for key, v := range attrs {
		kind := map[bool]string{true: "bool"}[v == true || v == false]
		switch v.(type) {
		case int64:
			kind = "int64"
		case float64:
			kind = "float64"
		}
		tags = append(tags, Tag{key, cmp.Or(kind, "string"), v})
	}
	return tags
}
