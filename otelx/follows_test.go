package otelx

import (
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// TestFollowsParents: the default is recognised, whatever its root. That no other is,
// TestFollowingSampler shows.
func TestFollowsParents(t *testing.T) {
	for _, root := range []sdktrace.Sampler{sdktrace.AlwaysSample(), sdktrace.NeverSample(), sdktrace.TraceIDRatioBased(0.01)} {
		if s := sdktrace.ParentBased(root); !followsParents(s) {
			t.Errorf("%s is asked about children", s.Description())
		}
		if followsParents(root) {
			t.Errorf("%s is not asked about children", root.Description())
		}
	}
}
