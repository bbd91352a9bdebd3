// Command observed measures observed tasks, by hand, on pools and with Postlude, and
// writes RESULTS.md:
//
//	cd benchmarks && go run ./observed
//
// It takes ten to fifteen minutes, and wants the machine for itself. For a look at a part, or
// at where the time goes:
//
//	go run ./observed -section cost,HTTP -rounds 3
//	go run ./observed -only 'cost/Postlude.*/sampled/64' -rounds 1 -profile /tmp
//
// A virtual machine's cores may be near to each other at one time and far at another, which
// the report tells apart; -near waits for the former.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/postlude/postlude/benchmarks/internal/machine"
)

const reportFile = "RESULTS.md"

type options struct {
	rounds   int
	sections string
	only     string
	out      string
	profiles string
	resume   string
	limit    time.Duration
	quick    bool
	near     bool
}

func main() {
	if asChild(os.Args) {
		return
	}
	var o options
	flag.IntVar(&o.rounds, "rounds", 0, "how often everything is measured; default 5 for costs and HTTP, 1 to 3 for the rest")
	flag.StringVar(&o.sections, "section", "", "sections to measure, of "+strings.Join(names(full.sections()), ",")+"; default all")
	flag.StringVar(&o.only, "only", "", "regular expression of what to measure, such as 'cost/Postlude.*/unsampled'")
	flag.StringVar(&o.out, "o", "", "file for the report; default "+reportFile+", if it is a full one")
	flag.StringVar(&o.profiles, "profile", "", "folder for profiles of each measurement")
	flag.StringVar(&o.resume, "resume", "", "file that keeps what was measured: a run goes on where the last one that had it ended")
	flag.DurationVar(&o.limit, "limit", 15*time.Minute, "time after which no measurement is begun; the later rounds lack some then")
	flag.BoolVar(&o.quick, "quick", false, "measure little of everything: whether it works, not how fast")
	flag.BoolVar(&o.near, "near", false, "before each measurement, wait for up to a minute until the machine's cores are near to each other")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "observed:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	only, err := regexp.Compile(o.only)
	if err != nil {
		return err
	}
	sc := full
	if o.quick {
		sc = quick
	}
	sections, err := pick(sc.sections(), o.sections)
	if err != nil {
		return err
	}
	r := runner{
		rounds: o.rounds, only: only, profiles: o.profiles, limit: o.limit, measure: child,
		progress: func(format string, args ...any) { fmt.Fprintf(os.Stderr, format, args...) },
	}
	if o.near {
		r.measure = func(ctx context.Context, s spec, profiles string) (values, error) {
			awaitNear(ctx, machine.Handover)
			return child(ctx, s, profiles)
		}
	}
	out := &report{scale: sc, began: time.Now(), command: command(), parts: o.resume != ""}
	out.loads[0] = machine.Load()
	got, err := resumed(o.resume)
	if err != nil {
		return fmt.Errorf("-resume: %w", err)
	}
	faults := r.run(ctx, sections, got)
	faults = append(faults, got.keep(o.resume))
	out.results, out.took, out.loads[1] = got, time.Since(out.began), machine.Load()
	faults = slices.DeleteFunc(faults, func(err error) bool { return err == nil })
	text := out.document(sections, faults)
	fmt.Print(text)
	if o.out == "" && o.sections == "" && o.only == "" && !o.quick {
		o.out = reportFile // a part must not replace the whole
	}
	if o.out != "" {
		faults = append(faults, out.save(o.out, text))
	}
	return errors.Join(faults...)
}

// command is what was called, without the names of files: they mean nothing elsewhere.
func command() string {
	text := "cd benchmarks && go run ./observed"
	flag.Visit(func(f *flag.Flag) {
		switch {
		case slices.Contains([]string{"o", "profile", "resume", "limit"}, f.Name):
		case f.Value.String() == "true": // it takes no value
			text += " -" + f.Name
		default:
			text += fmt.Sprintf(" -%s %v", f.Name, f.Value)
		}
	})
	return text
}

// save writes the report, and its pictures beside it.
func (r *report) save(path, text string) error {
	folder := filepath.Join(filepath.Dir(path), plots)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for name, svg := range r.pictures {
		if err := os.WriteFile(filepath.Join(folder, name+".svg"), []byte(svg), 0o644); err != nil {
			return err
		}
	}
	return os.WriteFile(path, []byte(text), 0o644)
}

func names(all []section) (out []string) {
	for _, s := range all {
		out = append(out, s.name())
	}
	return out
}

// pick returns the sections that are asked for.
func pick(all []section, wanted string) (out []section, err error) {
	if wanted == "" {
		return all, nil
	}
	for name := range strings.SplitSeq(wanted, ",") {
		i := slices.Index(names(all), name)
		if i < 0 {
			return nil, fmt.Errorf("-section: there is none named %s, of %s", cmp.Or(name, `""`), strings.Join(names(all), ", "))
		}
		out = append(out, all[i])
	}
	return out, nil
}
