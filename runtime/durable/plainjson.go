package durable

import (
	"encoding/json"
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
	if e.Carrier.IsZero() {
		return append(b, '}'), true
	}
	b = append(b, plainCarrier...)
	for i, f := range e.Carrier.fields {
		if !isPlain(f.key) || !isPlain(f.value) {
			return nil, false
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendPlainText(b, f.key), ':')
		b = appendPlainText(b, f.value)
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

// decodePlain decodes an envelope, if it is one that appendPlain writes. Otherwise what it
// leaves is worth nothing.
func (e *Envelope) decodePlain(data json.RawMessage) (ok bool) {
	rest, ok := strings.CutPrefix(string(data), plainBegin)
	if !ok {
		return false
	}
	e.Version = Version
	if e.ID, rest, ok = cutText(rest); !ok {
		return false
	}
	if after, has := strings.CutPrefix(rest, plainTiming); has {
		if e.Timing, rest, ok = cutText(after); !ok {
			return false
		}
	}
	if after, has := strings.CutPrefix(rest, plainCarrier); has {
		if rest, ok = e.Carrier.cut(after); !ok {
			return false
		}
	}
	return rest == "}"
}

// cut reads keys and values up to the end of their object.
func (c *Carrier) cut(s string) (rest string, ok bool) {
	for {
		var key, value string
		if key, s, ok = cutText(s); !ok || !strings.HasPrefix(s, ":") {
			return "", false
		}
		if value, s, ok = cutText(s[1:]); !ok || s == "" {
			return "", false
		}
		c.put(key, value)
		switch s[0] {
		case ',':
			s = s[1:]
		case '}':
			return s[1:], true
		default:
			return "", false
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
