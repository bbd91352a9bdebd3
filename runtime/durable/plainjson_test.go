package durable_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/postlude/postlude/runtime/durable"
)

// sameAsJSON fails if the short way differs from encoding/json.
func sameAsJSON(t *testing.T, e durable.Envelope) {
	t.Helper()
	e.Version = durable.Version
	want, err := json.Marshal(e)
	if err != nil {
		t.Skip() // a raw value that is no JSON
	}
	got, err := e.Encode()
	if err != nil || string(got) != string(want) {
		t.Errorf("Encode: %s, %v\njson:   %s", got, err, want)
	}
	var read durable.Envelope
	if err := json.Unmarshal(want, &read); err != nil {
		t.Fatal(err)
	}
	if again, err := durable.Decode(want); err == nil && !reflect.DeepEqual(again, read) {
		t.Errorf("Decode: %+v\njson:   %+v", again, read)
	}
}

func TestPlainEnvelopes(t *testing.T) {
	for _, e := range []durable.Envelope{
		{ID: someID},
		{ID: someID, Timing: "after_route"},
		{ID: someID, Carrier: durable.CarrierOf(map[string]string{})},
		{ID: someID, Carrier: durable.CarrierOf(map[string]string{"traceparent": "00-1-2-01"})},
		{ID: someID, Timing: "after_response", Carrier: durable.CarrierOf(map[string]string{"tracestate": "a=b", "traceparent": "00-1-2-01", "baggage": "k=v;p"})},
		{ID: someID, Carrier: durable.CarrierOf(map[string]string{"a": "", "": "b", "c": "d", "e": "f", "g": "h", "i": "j"})},
		{ID: someID, Carrier: durable.CarrierOf(map[string]string{"baggage": `k="v"`})},
		{ID: someID, Carrier: durable.CarrierOf(map[string]string{"baggage": `k=\v`})},
		{ID: someID, Carrier: durable.CarrierOf(map[string]string{"k<": "a&b>c"})},
		{ID: someID, Carrier: durable.CarrierOf(map[string]string{"ü": "é\x00\x7f\xff"})},
		whole(),
	} {
		sameAsJSON(t, e)
	}
}

// TestEnvelopesOfOthers: what differs in a detail from what we write is read as JSON is.
func TestEnvelopesOfOthers(t *testing.T) {
	begin := `{"v":1,"id":"` + someID + `"`
	for _, data := range []string{
		begin + `}`, begin + ` }`, begin + `}}`, begin, begin + `,`, begin + `,"timing":"x"`, begin + `,"timing":7}`,
		begin + `,"timing":"x","timing":"y"}`, begin + `,"carrier":{}}`, begin + `,"carrier":{"a":"b","a":"c"}}`,
		begin + `,"carrier":{"a":"b",}}`, begin + `,"carrier":{"a"}}`, begin + `,"carrier":{"a":}}`, begin + `,"carrier":{"a":"b"`,
		begin + `,"carrier":{"a":"b"}`, begin + `,"carrier":{"a":"b"}},`, begin + `,"carrier":{"a":"\u0062"}}`,
		begin + `,"carrier":{"a":null}}`, begin + `,"carrier":{"a":"b"},"carrier":{"c":"d"}}`, begin + `,"carrier":{"a" :"b"}}`,
		begin + `,"carrier":{"a":"b"},"shield":true}`,
	} {
		var want durable.Envelope
		bad := json.Unmarshal([]byte(data), &want) != nil
		got, err := durable.Decode(json.RawMessage(data))
		if bad != (err != nil) || !bad && !reflect.DeepEqual(got, want) {
			t.Errorf("%s\nDecode: %+v, %v\njson:   %+v", data, got, err, want)
		}
	}
}

// FuzzPlainEnvelopes compares the two ways.
func FuzzPlainEnvelopes(f *testing.F) {
	f.Add("after_route", "traceparent", "00-1-2-01", []byte(`{"v":1,"id":"`+someID+`","carrier":{"a":"b"}}`))
	f.Add("", "", `"\<`, []byte(`{"v":1,"id":"x","timing":"y"}`))
	f.Fuzz(func(t *testing.T, timing, key, value string, data []byte) {
		sameAsJSON(t, durable.Envelope{ID: someID, Timing: timing, Carrier: durable.CarrierOf(map[string]string{key: value, "k": timing})})
		got, err := durable.Decode(data)
		if err != nil {
			return
		}
		var want durable.Envelope
		if err := json.Unmarshal(data, &want); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("Decode: %+v\njson:   %+v, %v", got, want, err)
		}
	})
}
