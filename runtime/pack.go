package postlude

import (
	"encoding/json"
	"fmt"
	"strconv"

	"go.opentelemetry.io/otel/attribute"

	"github.com/postlude/postlude/runtime/durable"
)

// packAttribute makes an attribute one that an envelope can hold. Numbers travel as text:
// JSON has no infinities, and its readers round what is large.
func packAttribute(kv attribute.KeyValue) durable.Attribute {
	a := durable.Attribute{Key: string(kv.Key), Type: kv.Value.Type().String()}
	var v any
	switch kv.Value.Type() {
	case attribute.BOOL:
		v = kv.Value.AsBool()
	case attribute.INT64:
		v = strconv.FormatInt(kv.Value.AsInt64(), 10)
	case attribute.FLOAT64:
		v = formatFloat(kv.Value.AsFloat64())
	case attribute.BOOLSLICE:
		v = kv.Value.AsBoolSlice()
	case attribute.STRINGSLICE:
		v = kv.Value.AsStringSlice()
	case attribute.INT64SLICE:
		v = texts(kv.Value.AsInt64Slice(), func(n int64) string { return strconv.FormatInt(n, 10) })
	case attribute.FLOAT64SLICE:
		v = texts(kv.Value.AsFloat64Slice(), formatFloat)
	case attribute.STRING:
		v = kv.Value.AsString()
	default: // bytes, maps and what mixes types keep their text
		a.Type, v = attribute.STRING.String(), fmt.Sprint(kv.Value.AsInterface())
	}
	a.Value, _ = json.Marshal(v) // none of these can fail
	return a
}

func formatFloat(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }

func parseInt(s string) (int64, error)     { return strconv.ParseInt(s, 10, 64) }
func parseFloat(s string) (float64, error) { return strconv.ParseFloat(s, 64) }

func texts[N any](ns []N, format func(N) string) []string {
	list := make([]string, len(ns))
	for i, n := range ns {
		list[i] = format(n)
	}
	return list
}

// unpackAttribute is the reverse of packAttribute. It is false for what this process does
// not know: that a later release packs more shall not keep a task from running.
func unpackAttribute(a durable.Attribute) (kv attribute.KeyValue, ok bool) {
	key := attribute.Key(a.Key)
	switch a.Type {
	case attribute.BOOL.String():
		kv, ok = unpack(a.Value, key.Bool)
	case attribute.STRING.String():
		kv, ok = unpack(a.Value, key.String)
	case attribute.BOOLSLICE.String():
		kv, ok = unpack(a.Value, key.BoolSlice)
	case attribute.STRINGSLICE.String():
		kv, ok = unpack(a.Value, key.StringSlice)
	case attribute.INT64.String():
		kv, ok = unpackNumbers("["+string(a.Value)+"]", parseInt, one(key.Int64))
	case attribute.FLOAT64.String():
		kv, ok = unpackNumbers("["+string(a.Value)+"]", parseFloat, one(key.Float64))
	case attribute.INT64SLICE.String():
		kv, ok = unpackNumbers(string(a.Value), parseInt, key.Int64Slice)
	case attribute.FLOAT64SLICE.String():
		kv, ok = unpackNumbers(string(a.Value), parseFloat, key.Float64Slice)
	}
	return kv, ok && kv.Valid()
}

func unpack[V any](data json.RawMessage, with func(V) attribute.KeyValue) (attribute.KeyValue, bool) {
	var v V
	if json.Unmarshal(data, &v) != nil {
		return attribute.KeyValue{}, false
	}
	return with(v), true
}

func unpackNumbers[N any](list string, parse func(string) (N, error), with func([]N) attribute.KeyValue) (attribute.KeyValue, bool) {
	var texts []string
	if json.Unmarshal([]byte(list), &texts) != nil {
		return attribute.KeyValue{}, false
	}
	ns := make([]N, len(texts))
	for i, text := range texts {
		n, err := parse(text)
		if err != nil {
			return attribute.KeyValue{}, false
		}
		ns[i] = n
	}
	return with(ns), true
}

func one[N any](with func(N) attribute.KeyValue) func([]N) attribute.KeyValue {
	return func(ns []N) attribute.KeyValue {
		if len(ns) != 1 {
			return attribute.KeyValue{}
		}
		return with(ns[0])
	}
}
