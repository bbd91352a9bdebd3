package receiver

import (
	"encoding/hex"
	"sync"
	"testing"

	logscollector "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	metricscollector "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	tracescollector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	logs "go.opentelemetry.io/proto/otlp/logs/v1"
	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"
	traces "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Origin is what a span, metric or record came with.
type Origin struct {
	Resource map[string]any
	Scope    string
	Protocol string // grpc or http/protobuf
}

// Span is a span that was received.
type Span struct {
	*traces.Span
	Origin
	Attrs map[string]any
}

// ID is the span's id, in hexadecimal digits.
func (s Span) ID() string { return hex.EncodeToString(s.SpanId) }

// Trace is the id of the span's trace, in hexadecimal digits.
func (s Span) Trace() string { return hex.EncodeToString(s.TraceId) }

// Parent is the id of the span's parent; empty for a root.
func (s Span) Parent() string { return hex.EncodeToString(s.ParentSpanId) }

// Metric is a metric that was received.
type Metric struct {
	*metrics.Metric
	Origin
}

// Record is a log record that was received.
type Record struct {
	*logs.LogRecord
	Origin
	Attrs map[string]any
}

// Store is what was received. A message that has fields unknown to the protocol fails
// the test.
type Store struct {
	t testing.TB

	mu      sync.Mutex
	spans   []Span
	metrics []Metric
	records []Record
}

// Spans returns the spans that have come, in their order.
func (s *Store) Spans() []Span {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Span(nil), s.spans...)
}

// Metrics returns the metrics by name, each as it came last.
func (s *Store) Metrics() map[string]Metric {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := map[string]Metric{}
	for _, m := range s.metrics {
		last[m.Name] = m
	}
	return last
}

// Records returns the log records that have come, in their order.
func (s *Store) Records() []Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Record(nil), s.records...)
}

func (s *Store) addTraces(protocol string, r *tracescollector.ExportTraceServiceRequest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.checkKnown(r)
	for _, rs := range r.ResourceSpans {
		for _, ss := range rs.ScopeSpans {
			from := Origin{Map(rs.Resource.GetAttributes()), ss.Scope.GetName(), protocol}
			for _, span := range ss.Spans {
				s.spans = append(s.spans, Span{span, from, Map(span.Attributes)})
			}
		}
	}
}

func (s *Store) addMetrics(protocol string, r *metricscollector.ExportMetricsServiceRequest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.checkKnown(r)
	for _, rm := range r.ResourceMetrics {
		for _, sm := range rm.ScopeMetrics {
			from := Origin{Map(rm.Resource.GetAttributes()), sm.Scope.GetName(), protocol}
			for _, m := range sm.Metrics {
				s.metrics = append(s.metrics, Metric{m, from})
			}
		}
	}
}

func (s *Store) addLogs(protocol string, r *logscollector.ExportLogsServiceRequest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.checkKnown(r)
	for _, rl := range r.ResourceLogs {
		for _, sl := range rl.ScopeLogs {
			from := Origin{Map(rl.Resource.GetAttributes()), sl.Scope.GetName(), protocol}
			for _, record := range sl.LogRecords {
				s.records = append(s.records, Record{record, from, Map(record.Attributes)})
			}
		}
	}
}

// checkKnown looks for bytes that the protocol's definition has no field for.
func (s *Store) checkKnown(m proto.Message) {
	var walk func(protoreflect.Message)
	walk = func(m protoreflect.Message) {
		if n := len(m.GetUnknown()); n > 0 {
			s.t.Errorf("%s has %d bytes of unknown fields", m.Descriptor().FullName(), n)
		}
		m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
			switch {
			case fd.Message() == nil || fd.IsMap(): // OTLP has no maps
			case fd.IsList():
				for i := range v.List().Len() {
					walk(v.List().Get(i).Message())
				}
			default:
				walk(v.Message())
			}
			return true
		})
	}
	walk(m.ProtoReflect())
}

// Map returns attributes as Go values: string, bool, int64, float64, []byte, []any or
// map[string]any, as their types are on the wire.
func Map(kvs []*common.KeyValue) map[string]any {
	m := make(map[string]any, len(kvs))
	for _, kv := range kvs {
		m[kv.Key] = Value(kv.Value)
	}
	return m
}

// Value is one value of an attribute, or a record's body; nil if it is empty.
func Value(v *common.AnyValue) any {
	switch v := v.GetValue().(type) {
	case *common.AnyValue_StringValue:
		return v.StringValue
	case *common.AnyValue_BoolValue:
		return v.BoolValue
	case *common.AnyValue_IntValue:
		return v.IntValue
	case *common.AnyValue_DoubleValue:
		return v.DoubleValue
	case *common.AnyValue_BytesValue:
		return v.BytesValue
	case *common.AnyValue_ArrayValue:
		all := make([]any, 0, len(v.ArrayValue.Values))
		for _, e := range v.ArrayValue.Values {
			all = append(all, Value(e))
		}
		return all
	case *common.AnyValue_KvlistValue:
		return Map(v.KvlistValue.Values)
	}
	return nil
}
