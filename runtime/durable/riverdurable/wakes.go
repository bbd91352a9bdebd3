package riverdurable

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/riverqueue/river/riverdriver"
)

// wakes are the queues that River is to look at, because this process has just put a job
// there. SQLite does not notify: River looks every 50 ms for what there would have been. That is
// also how it finds what a caller's transaction has enqueued, whose commit nobody tells.
type wakes struct {
	mu     sync.Mutex
	queues map[string]bool
	some   chan struct{} // has a value if there may be some
}

func newWakes() *wakes { return &wakes{queues: map[string]bool{}, some: make(chan struct{}, 1)} }

func (w *wakes) wake(queue string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.queues[queue] = true
	select {
	case w.some <- struct{}{}:
	default:
	}
}

// take removes the queues.
func (w *wakes) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	queues := slices.Sorted(maps.Keys(w.queues))
	clear(w.queues)
	select {
	case <-w.some: // of a wake since who takes has heard of one
	default:
	}
	return queues
}

// wakePause is the least between two wakes of a session. A fetch is a write, and so on SQLite it
// holds up those who enqueue: with one every 5 ms, which is the cooldown, 8 goroutines enqueued
// 12 to 30 % less; with one every 10 ms, 4 %.
const wakePause = 10 * time.Millisecond

// wakingListener tells River of the wakes, as if the database had notified it. WaitForNotification
// and Close are for one goroutine at a time; all else is River's own, which has a lock.
type wakingListener struct {
	riverdriver.Listener
	wakes *wakes
	due   []string           // queues of the last wake that River is still to hear of
	last  time.Time          // when that was
	heard chan heard         // what the database's listener, which waits, will have heard; nil: it does not wait
	end   context.CancelFunc // of its wait
}

type heard struct {
	notification *riverdriver.Notification
	err          error
}

// WaitForNotification leaves the database's listener waiting when it returns a wake: the next
// call goes on with that. When ctx ends, its wait is over, too, as River has other use for it
// then.
func (l *wakingListener) WaitForNotification(ctx context.Context) (*riverdriver.Notification, error) {
	if l.heard == nil {
		wait, end := context.WithCancel(context.WithoutCancel(ctx))
		heards := make(chan heard, 1)
		l.heard, l.end = heards, end
		go func() {
			n, err := l.Listener.WaitForNotification(wait)
			heards <- heard{n, err}
		}()
	}
	for len(l.due) == 0 {
		some, rested := l.wakes.some, (<-chan time.Time)(nil)
		if pause := wakePause - time.Since(l.last); pause > 0 {
			some, rested = nil, time.After(pause)
		}
		select {
		case h := <-l.heard:
			return l.hear(h)
		case <-ctx.Done():
			l.end()
			return l.hear(<-l.heard)
		case <-rested:
		case <-some:
			l.due, l.last = l.wakes.take(), time.Now()
		}
	}
	queue := l.due[0]
	l.due = l.due[1:]
	return inserted(queue)
}

// Close ends the wait that a wake may have left, though River waits until there is none.
func (l *wakingListener) Close(ctx context.Context) error {
	if l.heard != nil {
		l.end()
		_, _ = l.hear(<-l.heard)
	}
	return l.Listener.Close(ctx)
}

func (l *wakingListener) hear(h heard) (*riverdriver.Notification, error) {
	l.end()
	l.heard = nil
	return h.notification, h.err
}

// inserted is what River hears of a job that was inserted.
func inserted(queue string) (*riverdriver.Notification, error) {
	payload, err := insertPayload(queue)
	return &riverdriver.Notification{Topic: insertTopic, Payload: payload}, err
}

// What River notifies its workers of an insert with.
const insertTopic = "river_insert"

func insertPayload(queue string) (string, error) {
	text, err := json.Marshal(map[string]string{"queue": queue})
	return string(text), err
}
