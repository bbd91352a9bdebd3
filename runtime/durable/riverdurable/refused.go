package riverdurable

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/rivertype"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// storeParts finds the outcome that was refused by halves, and stores the others.
func (g *guard) storeParts(ctx context.Context, p *outcomes, cause error) ([]*rivertype.JobRow, error) {
	half := len(p.ID) / 2
	if half == 0 {
		return g.replace(ctx, p.ID[0], cause)
	}
	first, err := g.store(ctx, pick(p, func(i int) bool { return i < half }))
	if err != nil {
		return nil, err
	}
	second, err := g.store(ctx, pick(p, func(i int) bool { return i >= half }))
	return append(first, second...), err
}

const refusedAgain = time.Minute

// replace stores another attempt in place of an outcome that the database refuses. If it
// refuses that, too, the row is left, and found as an orphan: nothing is lost.
func (g *guard) replace(ctx context.Context, id int64, cause error) ([]*rivertype.JobRow, error) {
	g.log.LogAttrs(ctx, slog.LevelError, "riverdurable: the database refused the outcome of an attempt: the job is tried again in a minute. Tell us what it was, please",
		slog.Int64("job", id), slog.String("exception.message", cause.Error()))
	attempt := g.flights.attempts([]int64{id})[0]
	data, err := json.Marshal(rivertype.AttemptError{
		At: time.Now().UTC(), Attempt: attempt, Error: storable("riverdurable: the database refused the outcome: " + cause.Error()),
	})
	if err != nil {
		return nil, err
	}
	again := riverdriver.JobSetStateErrorRetryable(id, time.Now().Add(refusedAgain), data, nil)
	attempt = min(attempt, maxAttempts-1) // or no fetch could count on
	again.Attempt = &attempt
	p := &outcomes{}
	add(p, again)
	rows, err := g.storeOwn(ctx, p)
	if err != nil && g.refused(err) {
		return nil, nil
	}
	return rows, err
}

// postgresRefused goes by the classes of errors that are about the data.
func postgresRefused(err error) bool {
	e := (*pgconn.PgError)(nil)
	if !errors.As(err, &e) {
		return false
	}
	return strings.HasPrefix(e.Code, "22") || // data exception
		strings.HasPrefix(e.Code, "23") || // integrity constraint violation
		strings.HasPrefix(e.Code, "54") // program limit exceeded
}

func sqliteRefused(err error) bool {
	e := (*sqlite.Error)(nil)
	if !errors.As(err, &e) {
		return false
	}
	switch e.Code() & 0xff { // the rest says more about it
	case sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_TOOBIG:
		return true
	case sqlite3.SQLITE_ERROR:
		return strings.Contains(e.Error(), "malformed JSON")
	}
	return false
}
