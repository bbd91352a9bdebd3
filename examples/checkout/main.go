// Command checkout is a small shop that shows all of Postlude at work: two services, tasks
// of every timing, failures to be had at the push of a button, the live page, metrics,
// traces and logs. See the README beside it. Read tasks.go first, then order.go; run.go has
// the order in which things begin and end.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

const hints = `The shop is open:
  URL/             order something, and choose what goes wrong
  URL/tasks/       what becomes of it
  URL/metrics      the same in numbers, for Prometheus
Or by curl:
  curl -X POST 'URL/orders'
  curl -X POST 'URL/orders?payment=declined'    flaky  slow  down  out
  curl -X POST 'URL/orders?mail=down'           flaky  out
  curl -X POST 'URL/orders?stock=panic&invoice=fail'
Kill it softly:
  kill PID
`

func main() {
	cfg, err := parse(os.Args[1:], os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		exitOn(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal does not wait for the first one's end
	exitOn(run(ctx, cfg))
}

// run runs the services until ctx ends or one of them fails.
func run(ctx context.Context, cfg config) error {
	p, err := start(ctx, cfg)
	if err != nil {
		return err
	}
	slog.SetDefault(p.log) // for what has no logger of its own
	fmt.Fprint(os.Stderr, strings.NewReplacer("URL", local(p.url), "PID", fmt.Sprint(os.Getpid())).Replace(hints))
	select {
	case <-ctx.Done():
	case err = <-p.failed:
	}
	return errors.Join(err, p.drain())
}

// local makes of a URL that listens everywhere one that leads here.
func local(at string) string {
	u, err := url.Parse(at)
	if err != nil {
		return at
	}
	switch u.Hostname() {
	case "0.0.0.0", "::":
		u.Host = "127.0.0.1:" + u.Port()
	}
	return u.String()
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "checkout:", err)
		os.Exit(1)
	}
}
