package riverdurable

import (
	"strings"

	"github.com/riverqueue/river/rivertype"

	"github.com/postlude/postlude/runtime/durable"
	"github.com/postlude/postlude/runtime/durable/riverdurable/internal/metadata"
)

func deliveryOf(row *rivertype.JobRow, unread error) durable.Delivery {
	ready := row.ScheduledAt
	if row.CreatedAt.After(ready) {
		ready = row.CreatedAt
	}
	envelope, state := metadata.Decode(row.Metadata)
	return durable.Delivery{
		Job: durable.Job{
			Task: row.Kind, Args: row.EncodedArgs, Envelope: envelope,
			Options: durable.Options{Queue: row.Queue, Priority: row.Priority},
		},
		ID: idOf(row.ID), Attempt: row.Attempt, Ready: ready, State: state, Err: unread,
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
