package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/postlude/postlude/logging"
)

// config is what the flags say, and what only tests say otherwise.
type config struct {
	addr, paymentAddr string
	sqlite, postgres  string
	format            logging.Format
	logFile           string
	load, fail        float64
	seed              uint64
	slow, grace       time.Duration
	traceURL          string
	actions           string

	retryBase   time.Duration // before the first retry
	reviewAfter time.Duration // the delay of ask_review
	retryAfter  int           // seconds, says a provider that is down
	out         io.Writer     // where the records go
	spans       []sdktrace.SpanProcessor
}

func parse(args []string, usage io.Writer) (config, error) {
	c := config{retryBase: 500 * time.Millisecond, reviewAfter: 20 * time.Second, retryAfter: 1, out: os.Stdout}
	f := flag.NewFlagSet("checkout", flag.ContinueOnError)
	f.SetOutput(usage)
	f.StringVar(&c.addr, "addr", "127.0.0.1:8080", "the shop listens here")
	f.StringVar(&c.paymentAddr, "payment-addr", "127.0.0.1:8081", "the payment service listens here")
	f.StringVar(&c.sqlite, "sqlite", "", "the database's `file`; without one, it ends with the process")
	f.StringVar(&c.postgres, "postgres", "", "`URL` of a PostgreSQL database in place of a file")
	f.TextVar(&c.format, "log", logging.Auto, "`format` of the records on stdout: auto, console or json")
	f.StringVar(&c.logFile, "log-file", "", "append the records to this `file` as JSON, too")
	f.Float64Var(&c.load, "load", 0, "order this often a second")
	f.Float64Var(&c.fail, "fail", 0, "`ratio`, from 0 to 1, of payments and mails that go wrong by themselves")
	f.Uint64Var(&c.seed, "seed", 1, "which of them")
	f.DurationVar(&c.slow, "slow", 2*time.Second, "how long a slow payment takes")
	f.DurationVar(&c.grace, "grace", time.Second, "how long a shutdown lets unshielded tasks go on")
	f.StringVar(&c.traceURL, "trace-url", "http://127.0.0.1:16686/trace/{trace_id}", "`URL` where traces can be looked at, as Jaeger's")
	f.StringVar(&c.actions, "actions", "", "`user:password` who may retry and cancel on the live page; it asks for them then")
	if err := f.Parse(args); err != nil {
		return c, err
	}
	if f.NArg() > 0 {
		return c, fmt.Errorf("there are flags only, so what is %q?", f.Arg(0))
	}
	return c, c.check()
}

// check finds all that is wrong.
func (c config) check() error {
	var faults []error
	refuse := func(wrong bool, format string, args ...any) {
		if wrong {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	user, password, _ := strings.Cut(c.actions, ":")
	refuse(c.sqlite != "" && c.postgres != "", "-sqlite and -postgres are both given: choose one")
	refuse(!(c.load >= 0 && c.load <= maxLoad), "-load %v is not from 0 to %d", c.load, maxLoad)
	refuse(!(c.fail >= 0 && c.fail <= 1), "-fail %v is not from 0 to 1", c.fail)
	refuse(c.slow < 0, "-slow %v is negative", c.slow)
	refuse(c.grace < 0 || c.grace > drainTime, "-grace %v is not from 0 to %v", c.grace, drainTime)
	refuse(c.actions != "" && (user == "" || password == ""), "-actions is not of the form user:password")
	return errors.Join(faults...)
}
