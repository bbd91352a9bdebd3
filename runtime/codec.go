package postlude

import (
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"

	"github.com/postlude/postlude/internal/panics"
)

// codec is how arguments of one type go through a queue. The methods of the type are user
// code: what they do is the caller's to contain.
type codec struct {
	encode func(args any) (json.RawMessage, error)
	decode func(json.RawMessage) (any, error)
	typ    reflect.Type
}

func codecOf[A any]() codec {
	return codec{
		typ: reflect.TypeFor[A](),
		encode: func(args any) (json.RawMessage, error) {
			a, _ := args.(A)
			return json.Marshal(a)
		},
		decode: func(data json.RawMessage) (any, error) {
			var a A
			err := json.Unmarshal(data, &a)
			return a, err
		},
	}
}

// check finds types that JSON can't bring back. Other errors of a zero value tell nothing
// of values that mean something.
func (c codec) check() error {
	if c.typ.Kind() == reflect.Interface {
		return fmt.Errorf("%v is an interface, and JSON does not tell the type that was in it", c.typ)
	}
	if hidesAll(c.typ) {
		return fmt.Errorf("%v has no exported field, so that JSON stores nothing of it", c.typ)
	}
	var unsupported *json.UnsupportedTypeError
	var err error
	if p := panics.Try(func() { _, err = c.encode(nil) }); p == nil && errors.As(err, &unsupported) {
		return err
	}
	return nil
}

// hidesAll tells whether t is a struct whose fields are all unexported, and that does not
// marshal itself.
func hidesAll(t reflect.Type) bool {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || t.NumField() == 0 {
		return false
	}
	for _, m := range []reflect.Type{reflect.TypeFor[json.Marshaler](), reflect.TypeFor[encoding.TextMarshaler]()} {
		if reflect.PointerTo(t).Implements(m) {
			return false
		}
	}
	for i := range t.NumField() {
		if f := t.Field(i); f.IsExported() || f.Anonymous {
			return false
		}
	}
	return true
}
