// Command durable measures durable tasks beside raw River, on SQLite and PostgreSQL, and
// writes DURABLE.md:
//
//	cd benchmarks && go run ./durable
//
// It takes about a quarter of an hour, and wants the machine for itself. PostgreSQL is
// that of -postgres or TEST_DATABASE_URL, where it makes databases and drops them, or a
// private server, if PostgreSQL's programs are installed. For a look at a part:
//
//	go run ./durable -rounds 1 -only 'SQLite/Work' -cpuprofile cpu.out
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"runtime/pprof"
	"strings"
	"syscall"
	"time"

	"github.com/postlude/postlude/benchmarks/internal/machine"
)

const reportFile = "DURABLE.md"

type options struct {
	rounds     int
	postgres   string
	only       string
	out        string
	cpuProfile string
	memProfile string
}

func main() {
	var o options
	flag.IntVar(&o.rounds, "rounds", full.rounds, "how often everything is measured")
	flag.StringVar(&o.postgres, "postgres", "", "URL of a PostgreSQL database; default $TEST_DATABASE_URL, or a private server")
	flag.StringVar(&o.only, "only", "", "regular expression of what to measure, such as 'PostgreSQL/Insert.*/Postlude'")
	flag.StringVar(&o.out, "o", "", "file for the report; default "+reportFile+", if it is a full one")
	flag.StringVar(&o.cpuProfile, "cpuprofile", "", "file for a CPU profile of all that is measured")
	flag.StringVar(&o.memProfile, "memprofile", "", "file for a profile of all that was allocated")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "durable:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) (err error) {
	only, err := regexp.Compile(o.only)
	if err != nil {
		return err
	}
	folder, err := os.MkdirTemp("", "postlude-durable-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	url, end, err := postgresURL(o.postgres)
	if err != nil {
		return err
	}
	defer end()
	r := runner{
		scale: full, only: only,
		backends: []backend{sqliteFiles{folder}, &postgresServer{url: url}},
		progress: func(format string, args ...any) { fmt.Fprintf(os.Stderr, format, args...) },
	}
	if r.rounds = o.rounds; r.rounds < 1 {
		return fmt.Errorf("-rounds is %d: it must be 1 at least", r.rounds)
	}
	before := machine.Load()
	if err := r.warmUp(ctx); err != nil {
		return err
	}
	done, err := profiled(o.cpuProfile, func() (report, error) { return r.report(ctx) })
	if err != nil {
		return err
	}
	if err := allocations(o.memProfile); err != nil {
		return err
	}
	done.before = before
	fmt.Printf("\n%s\n%s", done.tables(), done.everyRound())
	if o.out == "" && o.only == "" && o.rounds >= full.rounds {
		o.out = reportFile // a part must not replace the whole
	}
	if o.out == "" {
		return nil
	}
	return os.WriteFile(o.out, []byte(done.document()), 0o644)
}

// warmUp makes a small round that nobody looks at: the first of all pays for what is
// loaded and learned then.
func (r runner) warmUp(ctx context.Context) error {
	r.scale, r.progress = smoke, func(string, ...any) {}
	_, _, err := r.run(ctx)
	return err
}

// report measures.
func (r runner) report(ctx context.Context) (report, error) {
	out := report{scale: r.scale, about: about(), began: time.Now(), command: command(os.Args[1:])}
	for _, b := range r.backends {
		lines, err := b.about(ctx)
		if err != nil {
			return report{}, err
		}
		out.backends, out.about = append(out.backends, b.name()), append(out.about, lines...)
	}
	var err error
	out.results, out.loads, err = r.run(ctx)
	out.took = time.Since(out.began)
	return out, err
}

func command(args []string) string {
	return strings.Join(append([]string{"cd benchmarks && go run ./durable"}, args...), " ")
}

func profiled(path string, do func() (report, error)) (r report, err error) {
	if path == "" {
		return do()
	}
	file, err := os.Create(path)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if err := pprof.StartCPUProfile(file); err != nil {
		return r, err
	}
	defer pprof.StopCPUProfile()
	return do()
}

func allocations(path string) error {
	if path == "" {
		return nil
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(pprof.Lookup("allocs").WriteTo(file, 0), file.Close())
}
