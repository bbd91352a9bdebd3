package otelx

import (
	"reflect"
	"runtime"

	"go.opentelemetry.io/otel/attribute"
)

// This file is how a local span stores what it is told. It does as the SDK does for
// a recorded span with the default limits, so that what a handler reads does not
// depend on the sampler; FuzzLocalSpanLikeSDK compares the two. One difference is left:
// duplicate keys within a map value, and maps nested beyond 64 levels, are kept.

// limit bounds the attributes, events and links of a span, and the attributes of each
// event and link: the SDK's default for all of them.
const limit = 128

// put sets kv in attrs, in place. The last value of a key wins, even at the limit; new
// keys beyond it and attributes without a key are dropped and counted.
//
// The search is linear: for the few attributes that spans have it beats a map.
func put(attrs, kv []attribute.KeyValue) (_ []attribute.KeyValue, dropped int) {
next:
	for _, a := range kv {
		for i := range attrs {
			if attrs[i].Key == a.Key {
				attrs[i] = a
				continue next
			}
		}
		if !a.Valid() || len(attrs) >= limit {
			dropped++
			continue
		}
		attrs = append(attrs, a)
	}
	return attrs, dropped
}

// push appends v to queue, in place. At the limit the oldest makes room: the last
// events before a failure tell the most.
func push[T any](queue []T, v T) (_ []T, dropped int) {
	if len(queue) >= limit {
		queue = queue[:copy(queue, queue[1:])]
		dropped++
	}
	return append(queue, v), dropped
}

// capped copies the first attributes, up to the limit, and counts the rest.
func capped(attrs []attribute.KeyValue) ([]attribute.KeyValue, int) {
	n := min(len(attrs), limit)
	return append([]attribute.KeyValue(nil), attrs[:n]...), len(attrs) - n
}

// typeName is the SDK's exception.type: qualified by the whole import path, except
// for pointers and other types without a name of their own.
func typeName(thrown any) string {
	t := reflect.TypeOf(thrown)
	if t.PkgPath() == "" && t.Name() == "" {
		return t.String()
	}
	return t.PkgPath() + "." + t.Name()
}

// stack is the calling goroutine's stack, cut where the SDK cuts it.
func stack() string {
	buf := make([]byte, 2048)
	return string(buf[:runtime.Stack(buf, false)])
}
