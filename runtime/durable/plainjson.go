package durable

import (
	"encoding/json"
	"slices"
	"strings"
)

// This file is the short way for the envelopes that nearly all tasks have: an id, perhaps a
// timing, and a carrier of plain ASCII. What it writes and reads is what encoding/json
// would; what it does not know, it leaves to that. A worker reads an envelope for each
// attempt, which was a tenth of what an attempt without work of its own took.

// The parts of such an envelope.
const (
	plainBegin   = `{"v":1,"id":` // of Version
	plainTiming  = `,"timing":`
	plainCarrier = `,"carrier":{`
)

// appendPlain encodes the envelope, if it is a plain one.
func (e *Envelope) appendPlain(b []byte) ([]byte, bool) {
	if e.Shield != nil || e.Timeout != nil || e.Relation != nil || len(e.Attributes) > 0 || !isPlain(e.ID) || !isPlain(e.Timing) {
		return nil, false
	}
	b = appendPlainText(append(b, plainBegin...), e.ID)
	if e.Timing != "" {
		b = appendPlainText(append(b, plainTiming...), e.Timing)
	}
	if len(e.Carrier) == 0 {
		return append(b, '}'), true
	}
	var space [4]string
	keys := space[:0]
	for key, value := range e.Carrier {
		if !isPlain(key) || !isPlain(value) {
			return nil, false
		}
		keys = append(keys, key)
	}
	slices.Sort(keys)
	b = append(b, plainCarrier...)
	for i, key := range keys {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendPlainText(b, key), ':')
		b = appendPlainText(b, e.Carrier[key])
	}
	return append(b, "}}"...), true
}

func appendPlainText(b []byte, s string) []byte { return append(append(append(b, '"'), s...), '"') }

// isPlain tells whether encoding/json writes the text as it is.
func isPlain(s string) bool {
	for _, c := range []byte(s) {
		if c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			return false
		}
	}
	return true
}

// decodePlain decodes an envelope, if it is one that appendPlain writes.
func decodePlain(data json.RawMessage) (e Envelope, ok bool) {
	rest, ok := strings.CutPrefix(string(data), plainBegin)
	if !ok {
		return e, false
	}
	e.Version = Version
	if e.ID, rest, ok = cutText(rest); !ok {
		return e, false
	}
	if after, has := strings.CutPrefix(rest, plainTiming); has {
		if e.Timing, rest, ok = cutText(after); !ok {
			return e, false
		}
	}
	if after, has := strings.CutPrefix(rest, plainCarrier); has {
		if e.Carrier, rest, ok = cutCarrier(after); !ok {
			return e, false
		}
	}
	return e, rest == "}"
}

// cutCarrier reads keys and values up to the end of their object.
func cutCarrier(s string) (carrier map[string]string, rest string, ok bool) {
	carrier = make(map[string]string, 2)
	for {
		var key, value string
		if key, s, ok = cutText(s); !ok || !strings.HasPrefix(s, ":") {
			return nil, "", false
		}
		if value, s, ok = cutText(s[1:]); !ok || s == "" {
			return nil, "", false
		}
		carrier[key] = value
		switch s[0] {
		case ',':
			s = s[1:]
		case '}':
			return carrier, s[1:], true
		default:
			return nil, "", false
		}
	}
}

// cutText reads a text in quotes, of characters that stand for themselves.
func cutText(s string) (text, rest string, ok bool) {
	if !strings.HasPrefix(s, `"`) {
		return "", "", false
	}
	text, rest, ok = strings.Cut(s[1:], `"`)
	return text, rest, ok && isPlain(text)
}
