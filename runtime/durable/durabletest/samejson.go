package durabletest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"reflect"
)

// sameJSON makes sure that two texts mean the same as JSON. Numbers are compared
// exactly, whichever way they are written: RFC 8259 leaves it open what receivers can
// hold, but a job that was paid 10.000000000000000001 should be told so.
func (l *lab) sameJSON(what string, got, want json.RawMessage) {
	l.Helper()
	g, err := meaning(got)
	if err != nil {
		l.Errorf("%s is no JSON: %v\n got: %.300q\nwant: %.300s", what, err, got, want)
		return
	}
	w, err := meaning(want)
	if err != nil {
		l.Fatalf("the test is wrong: %v", err)
	}
	if !reflect.DeepEqual(g, w) {
		l.Errorf("%s has another meaning:\n got: %.300s\nwant: %.300s", what, got, want)
	}
}

// meaning decodes a JSON text, with its numbers as fractions in lowest terms.
func meaning(data json.RawMessage) (any, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is more than one value")
	}
	return exact(v), nil
}

// number is apart from a string of the same digits.
type number string

func exact(v any) any {
	switch v := v.(type) {
	case json.Number:
		if r, ok := new(big.Rat).SetString(v.String()); ok {
			return number(r.RatString())
		}
	case []any:
		for i := range v {
			v[i] = exact(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = exact(v[k])
		}
	}
	return v
}
