package riverdurable

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/riverqueue/river/rivertype"

	"github.com/postlude/postlude/runtime/durable"
)

// The keys of ours in the metadata of a row. Their values are JSON texts in strings, and
// not JSON in JSON: SQLite merges objects key by key in this version of River, and a State
// must replace the one before it; and PostgreSQL refuses \u0000 in a value, but not in the
// text of one.
const (
	keyEnvelope = "postlude_envelope"
	keyState    = "postlude_state"
	keyVerdict  = "postlude_verdict"
)

func encodeMetadata(j durable.Job) ([]byte, error) {
	envelope, err := json.Marshal(string(j.Envelope))
	if err != nil {
		return nil, err
	}
	return slices.Concat([]byte(`{"`+keyEnvelope+`":`), envelope, []byte("}")), nil
}

// fromMetadata returns the texts at our keys; nil where there is none, as in a row of
// somebody else's.
func fromMetadata(metadata []byte) (envelope, state json.RawMessage) {
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
	escaped, begins := bytes.CutPrefix(metadata, []byte(`{"`+keyEnvelope+`": "`))
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

func deliveryOf(row *rivertype.JobRow) durable.Delivery {
	ready := row.ScheduledAt
	if row.CreatedAt.After(ready) {
		ready = row.CreatedAt
	}
	envelope, state := fromMetadata(row.Metadata)
	return durable.Delivery{
		Job: durable.Job{
			Task: row.Kind, Args: row.EncodedArgs, Envelope: envelope,
			Options: durable.Options{Queue: row.Queue, Priority: row.Priority},
		},
		ID: idOf(row.ID), Attempt: row.Attempt, Ready: ready, State: state,
	}
}

// maxErrorText bounds the text of an error: a row keeps one for each attempt.
const maxErrorText = 8 << 10

// storable returns the text without what PostgreSQL refuses. Outcomes are stored in
// batches, and one that is refused would hold up all the others for ever.
func storable(text string) string {
	if len(text) > maxErrorText {
		text = text[:maxErrorText] + "…"
	}
	return strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", "\uFFFD"), "\uFFFD")
}
