package riverdurable

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/postlude/postlude/runtime/durable"
)

// Forever is a retention without an end.
const Forever time.Duration = -1

const (
	defaultWorkers = 200
	maxWorkers     = 10_000 // River's bound
	defaultKeep    = 24 * time.Hour
	defaultGrace   = 5 * time.Second
	minGrace       = 4 * time.Second // above the time a session takes to give up its attempts

	// River allows 100 bytes for the id of a client; prefix and ordinal are ours.
	maxProcessID = 80
)

type config struct {
	checkOnly   bool
	queues      map[string]int
	workers     int
	completed   time.Duration
	canceled    time.Duration
	dead        time.Duration
	processID   string
	grace       time.Duration
	lockConn    *pgx.ConnConfig
	relaxedSync bool

	forSQLite, forPostgres []string // options that were given and are for one database only
	faults                 []error
}

// Option is a setting of OpenSQLite or OpenPostgres.
type Option func(*config)

// CheckOnly leaves the schema of the database alone: opening fails if it is not the one
// that this version needs, and says what to run. By default, what is missing is created.
func CheckOnly() Option { return func(c *config) { c.checkOnly = true } }

// Workers is how many jobs of a queue run at once in a process, at most; 200 by default. The
// runtime's own limit is for all queues together: workers below it keep a queue with many
// long jobs from taking the place of the others.
func Workers(n int) Option {
	return func(c *config) { c.workers = c.checkWorkers("Workers", n) }
}

// Queue has the processes work a queue that no definition names, but calls do, see
// durable.Queue; or gives one another number of workers.
func Queue(name string, workers int) Option {
	return func(c *config) {
		if err := (durable.Options{Queue: name}).Check(); err != nil || name == "" {
			c.fault("Queue(%q, %d): the name is not of lower-case letters and digits, with single '-' or '_' between them", name, workers)
		}
		c.queues[name] = c.checkWorkers("Queue", workers)
	}
}

// KeepCompleted is how long jobs that are done are kept, for durable.Unique and for
// operators to look at; 24 hours by default, or Forever.
func KeepCompleted(d time.Duration) Option {
	return func(c *config) { c.completed = c.checkKeep("KeepCompleted", d) }
}

// KeepCanceled is how long jobs that were canceled are kept; 24 hours by default, or Forever.
func KeepCanceled(d time.Duration) Option {
	return func(c *config) { c.canceled = c.checkKeep("KeepCanceled", d) }
}

// KeepDead is how long dead letters are kept; Forever by default.
func KeepDead(d time.Duration) Option {
	return func(c *config) { c.dead = c.checkKeep("KeepDead", d) }
}

// ProcessID names the process among those that share a PostgreSQL database: one of its own
// for each, and the same after a restart, such as the name of a pod of a stateful set.
// What a process of this id left behind when it died is then taken up at once by the next
// one. Without it an id is made up, and the others take that over after the grace.
func ProcessID(id string) Option {
	return func(c *config) {
		if id == "" || len(id) > maxProcessID {
			c.fault("ProcessID(%q) has %d bytes, and must have 1 to %d", id, len(id), maxProcessID)
		}
		// A '/' divides an id from the number of a session: "web/2" is the second one of "web".
		if strings.ContainsAny(id, "/\x00") || !utf8.ValidString(id) {
			c.fault("ProcessID(%q) has a '/', a NUL or what is no UTF-8: use letters, digits, '-' and '.'", id)
		}
		c.processID = id
		c.forPostgres = append(c.forPostgres, "ProcessID")
	}
}

// LivenessGrace is for how long a process must have been without its lock before others
// take its jobs; 5 s by default, at least 4. In the first three fifths of it a process tries
// to have its lock back, in the rest its attempts, canceled, must end. It is for PostgreSQL,
// and the same for all processes.
func LivenessGrace(d time.Duration) Option {
	return func(c *config) {
		if d < minGrace {
			c.fault("LivenessGrace(%v) is below %v, the time in which a process that lost its connection gives up its attempts", d, minGrace)
		}
		c.grace = d
		c.forPostgres = append(c.forPostgres, "LivenessGrace")
	}
}

// LockConnection is where the session locks are held, if the pool leads to a pooler: the
// same database, by a direct connection. It is for PostgreSQL.
func LockConnection(cc *pgx.ConnConfig) Option {
	return func(c *config) {
		if cc == nil {
			c.fault("LockConnection: the configuration is nil")
		} else {
			c.lockConn = cc.Copy()
		}
		c.forPostgres = append(c.forPostgres, "LockConnection")
	}
}

// RelaxedSync has SQLite commit without waiting for the disk (synchronous=NORMAL): what was
// committed survives a crash of the process, but not always a loss of power. An Enqueue
// took 0.9 ms with it and 1.3 ms without where it was measured; a slow disk gains more. It
// is for SQLite.
func RelaxedSync() Option {
	return func(c *config) {
		c.relaxedSync = true
		c.forSQLite = append(c.forSQLite, "RelaxedSync")
	}
}

func (c *config) fault(format string, args ...any) {
	c.faults = append(c.faults, fmt.Errorf(format, args...))
}

func (c *config) checkWorkers(option string, n int) int {
	if n < 1 || n > maxWorkers {
		c.fault("%s: %d workers, of 1 to %d", option, n, maxWorkers)
	}
	return n
}

func (c *config) checkKeep(option string, d time.Duration) time.Duration {
	if d <= 0 && d != Forever {
		c.fault("%s(%v) is neither above zero nor Forever", option, d)
	}
	return d
}

func newConfig(opts []Option) config {
	c := config{
		queues: map[string]int{}, workers: defaultWorkers, grace: defaultGrace,
		completed: defaultKeep, canceled: defaultKeep, dead: Forever,
	}
	for _, opt := range opts {
		if opt != nil {
			opt(&c)
		}
	}
	return c
}

// check returns what is wrong with the options, joined. foreign are those of the other database.
func (c *config) check(foreign []string, database string) error {
	for _, option := range foreign {
		c.fault("%s is no option of %s", option, database)
	}
	return errors.Join(c.faults...)
}
