// Package metadata reads and writes what riverdurable keeps in the metadata of River's rows.
package metadata

import (
	"bytes"
	"encoding/json"
	"slices"
)

// The keys of ours in the metadata of a row. Their values are JSON texts in strings, and
// not JSON in JSON: SQLite merges objects key by key in this version of River, and a State
// must replace the one before it; and PostgreSQL refuses \u0000 in a value, but not in the
// text of one.
const (
	KeyEnvelope = "postlude_envelope"
	KeyState    = "postlude_state"
	KeyVerdict  = "postlude_verdict"
)

// Encode returns the metadata of a new job.
func Encode(envelope json.RawMessage) ([]byte, error) {
	text, err := json.Marshal(string(envelope))
	if err != nil {
		return nil, err
	}
	return slices.Concat([]byte(`{"`+KeyEnvelope+`":`), text, []byte("}")), nil
}

// Decode returns the texts at our keys; nil where there is none, as in a row of
// somebody else's.
func Decode(metadata []byte) (envelope, state json.RawMessage) {
	if envelope, ok := onlyEnvelope(metadata); ok {
		return envelope, nil
	}
	var all struct {
		Envelope json.RawMessage `json:"postlude_envelope"`
		State    json.RawMessage `json:"postlude_state"`
	}
	if json.Unmarshal(metadata, &all) != nil {
		return nil, nil
	}
	return text(all.Envelope), text(all.State)
}

// onlyEnvelope is the short way for a job that was not attempted before, in the form that
// PostgreSQL stores JSON in: an envelope with no escapes but those of quotes. It is false for
// all else.
func onlyEnvelope(metadata []byte) (json.RawMessage, bool) {
	escaped, begins := bytes.CutPrefix(metadata, []byte(`{"`+KeyEnvelope+`": "`))
	escaped, ends := bytes.CutSuffix(escaped, []byte(`"}`))
	if !begins || !ends || len(escaped) == 0 {
		return nil, false
	}
	envelope := make(json.RawMessage, 0, len(escaped))
	for i := 0; i < len(escaped); i++ {
		c := escaped[i]
		if c == '\\' {
			if i++; i == len(escaped) || escaped[i] != '"' {
				return nil, false
			}
			c = '"'
		} else if c == '"' || c < ' ' || c > '~' {
			return nil, false
		}
		envelope = append(envelope, c)
	}
	return envelope, true
}

func text(value json.RawMessage) json.RawMessage {
	var s string
	if len(value) == 0 || json.Unmarshal(value, &s) != nil || s == "" {
		return nil
	}
	return json.RawMessage(s)
}
