package durable_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/postlude/postlude/runtime/durable"
)

const someID = "019c3a7e-0000-7000-8000-000000000001"

func whole() durable.Envelope {
	shield, timeout, relation := true, 3*time.Second, uint8(1)
	return durable.Envelope{
		Version: durable.Version, ID: someID, Timing: "after_response",
		Shield: &shield, Timeout: &timeout, Relation: &relation,
		Attributes: []durable.Attribute{{Key: "shop", Type: "STRING", Value: json.RawMessage(`"berlin"`)}},
		Carrier:    durable.CarrierOf(map[string]string{"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "baggage": "a=b"}),
	}
}

func TestEnvelopeRoundTrip(t *testing.T) {
	data, err := whole().Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := durable.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, whole()) {
		t.Errorf("got  %+v\nwant %+v", got, whole())
	}
}

// TestEnvelopeGolden: the first version is read for as long as there are jobs of it.
func TestEnvelopeGolden(t *testing.T) {
	const golden = `{"v":1,"id":"019c3a7e-0000-7000-8000-000000000001","timing":"after_response",` +
		`"shield":true,"timeout":3000000000,"relation":1,` +
		`"attributes":[{"k":"shop","t":"STRING","v":"berlin"}],` +
		`"carrier":{"baggage":"a=b","traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}}`
	data, err := whole().Encode()
	if err != nil || string(data) != golden {
		t.Errorf("got  %s, %v\nwant %s", data, err, golden)
	}
}

func TestDecodeRefuses(t *testing.T) {
	id := `"id":"` + someID + `"`
	for _, c := range []struct {
		name, data string
		want       error
	}{
		{"newer", `{"v":2,"id":7}`, durable.ErrVersion},
		{"no version", `{` + id + `}`, durable.ErrDamaged},
		{"version 0", `{"v":0,` + id + `}`, durable.ErrDamaged},
		{"version of another type", `{"v":"1",` + id + `}`, durable.ErrDamaged},
		{"no JSON", `{"v":1,`, durable.ErrDamaged},
		{"nothing", ``, durable.ErrDamaged},
		{"null", `null`, durable.ErrDamaged},
		{"no object", `[1]`, durable.ErrDamaged},
		{"no id", `{"v":1}`, durable.ErrDamaged},
		{"an id that is none", `{"v":1,"id":"` + strings.Repeat("x", 36) + `"}`, durable.ErrDamaged},
		{"a field of another type", `{"v":1,` + id + `,"carrier":[]}`, durable.ErrDamaged},
		{"a negative timeout", `{"v":1,` + id + `,"timeout":-1}`, durable.ErrDamaged},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := durable.Decode(json.RawMessage(c.data)); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func TestDecodeIgnoresNewFields(t *testing.T) {
	if _, err := durable.Decode(json.RawMessage(`{"v":1,"id":"` + someID + `","color":"red"}`)); err != nil {
		t.Error(err)
	}
}

func FuzzDecode(f *testing.F) {
	data, err := whole().Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(data))
	f.Add([]byte(`{"v":2}`))
	f.Add([]byte(`{"v":1,"id":"` + someID + `","attributes":[{"k":"a","t":"BOOL","v":null}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := durable.Decode(data)
		if err != nil {
			if errors.Is(err, durable.ErrVersion) == errors.Is(err, durable.ErrDamaged) {
				t.Fatalf("%v is not one of the two", err)
			}
			return
		}
		again, err := e.Encode()
		if err != nil {
			t.Skip() // a raw value that Unmarshal took and Marshal does not is no matter
		}
		if e2, err := durable.Decode(again); err != nil || e2.ID != e.ID {
			t.Fatalf("%+v does not survive a round trip: %v", e, err)
		}
	})
}

func TestOptionsCheck(t *testing.T) {
	good := durable.Options{}.With(durable.Queue("mail-out_2"), durable.Priority(4), durable.Unique("o-17"), nil)
	if err := good.Check(); err != nil {
		t.Error(err)
	}
	for name, o := range map[string]durable.Option{
		"queue name":     durable.Queue("Mail"),
		"a long queue":   durable.Queue(strings.Repeat("q", durable.MaxQueueName+1)),
		"priority":       durable.Priority(5),
		"a low priority": durable.Priority(-1),
		"unique key":     durable.Unique(strings.Repeat("k", durable.MaxUniqueKey+1)),
	} {
		if err := (durable.Options{}).With(o).Check(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
