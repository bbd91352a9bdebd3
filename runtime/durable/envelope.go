package durable

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Version is the version of the envelopes that this package writes, and the newest that
// it reads. A field that an older process may ignore does not change it.
const Version = 1

// Envelope is what a task takes with it besides its name and arguments. Of the options,
// it has those that the call made: what the definition says is the worker's to know.
type Envelope struct {
	Version    int            `json:"v"`
	ID         string         `json:"id"`               // the task's, a UUID
	Timing     string         `json:"timing,omitempty"` // "": immediate
	Shield     *bool          `json:"shield,omitempty"`
	Timeout    *time.Duration `json:"timeout,omitempty"`  // nanoseconds
	Relation   *uint8         `json:"relation,omitempty"` // postlude.Rel
	Attributes []Attribute    `json:"attributes,omitempty"`
	// Carrier is what the propagator wrote: traceparent, tracestate and baggage, by the
	// W3C's recommendations, unless the application propagates otherwise.
	Carrier Carrier `json:"carrier,omitzero"`
}

// Attribute is an attribute of spans and records, with its type.
type Attribute struct {
	Key   string          `json:"k"`
	Type  string          `json:"t"`
	Value json.RawMessage `json:"v"`
}

// What is wrong with an envelope.
var (
	// ErrVersion: it is of a newer version. A newer process can read it.
	ErrVersion = errors.New("durable: the envelope is of a version that this process does not know")
	// ErrDamaged: nobody can read it.
	ErrDamaged = errors.New("durable: the envelope is damaged")
	// ErrArguments: the arguments are not what the task's definition takes. They may be of
	// another release.
	ErrArguments = errors.New("durable: the stored arguments don't fit the task's definition")
)

// Encode returns the envelope as a JSON object, in the current version.
func (e Envelope) Encode() (json.RawMessage, error) {
	if text, ok := e.appendPlain(make([]byte, 0, 160)); ok {
		return text, nil
	}
	e.Version = Version
	return json.Marshal(e)
}

// Decode reads an envelope. The error is an ErrVersion or an ErrDamaged.
func Decode(data json.RawMessage) (e Envelope, err error) {
	if err = e.decode(data); err != nil {
		e = Envelope{}
	}
	return e, err
}

func (e *Envelope) decode(data json.RawMessage) error {
	if !e.decodePlain(data) {
		other := new(Envelope) // not e, which would be on the heap for the plain ones, too
		if err := json.Unmarshal(data, other); err != nil || other.Version != Version {
			return refusal(data, err)
		}
		*e = *other
	}
	if !isUUID(e.ID) {
		return fmt.Errorf("%w: the id %.40q is no UUID", ErrDamaged, e.ID)
	}
	if e.Timeout != nil && *e.Timeout < 0 {
		return fmt.Errorf("%w: the timeout is negative", ErrDamaged)
	}
	return nil
}

// refusal tells why an envelope can't be read. Of another version anything may be
// different, but for the version itself.
func refusal(data json.RawMessage, err error) error {
	var v struct {
		Version *int `json:"v"`
	}
	switch other := json.Unmarshal(data, &v); {
	case other != nil:
		return fmt.Errorf("%w: %w", ErrDamaged, other)
	case v.Version == nil || *v.Version < 1:
		return fmt.Errorf("%w: it has no version", ErrDamaged)
	case *v.Version > Version:
		return fmt.Errorf("%w: %d, the newest known is %d: deploy the newer release here, too", ErrVersion, *v.Version, Version)
	}
	return fmt.Errorf("%w: %w", ErrDamaged, err)
}

func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		digit := '0' <= c && c <= '9' || 'a' <= c && c <= 'f'
		if dash := i == 8 || i == 13 || i == 18 || i == 23; dash && c != '-' || !dash && !digit {
			return false
		}
	}
	return true
}
