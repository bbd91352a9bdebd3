package riverdurable_test

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/postlude/postlude/internal/pgtest"
)

func TestMain(m *testing.M) {
	flag.Parse()
	wideEnough()
	goleak.VerifyTestMain(withServer{m})
}

// wideEnough has more tests run at once than there are processors, unless the command says
// how many: they wait for the databases, and for time to pass, more than they compute.
func wideEnough() {
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		_ = flag.Set("test.parallel", strconv.Itoa(3*runtime.GOMAXPROCS(0)))
	}
}

// withServer ends the server of all tests after them, and before it is looked for leaks.
type withServer struct{ *testing.M }

func (w withServer) Run() int {
	code := w.M.Run()
	for _, f := range everybody.cleanups {
		defer f() // the last one first
	}
	return code
}

// databaseURL returns that of an empty database, on a server that the tests share: starting
// one takes longer than most of them. One that stops its server, or looks at more than its
// database, has one of its own.
func databaseURL(t *testing.T) string {
	t.Helper()
	sharedServer.Do(func() { everybody.try(func() { everybody.server = pgtest.Start(everybody) }) })
	var url string
	if fault, _ := everybody.verdict(); fault == "" {
		everybody.try(func() { url = everybody.server.URL() })
	}
	switch fault, skip := everybody.verdict(); {
	case skip:
		t.Skip(fault)
	case fault != "":
		t.Fatal(fault)
	}
	return url
}

var (
	sharedServer sync.Once
	everybody    = new(allTests)
)

// allTests is who pgtest takes for a test. Only what it calls is here. Once one call has
// failed, the others do so.
type allTests struct {
	testing.TB
	server *pgtest.Server

	mu       sync.Mutex
	cleanups []func()
	fault    string
	skip     bool
}

// try calls do on a goroutine that Fatalf can end.
func (a *allTests) try(do func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		do()
	}()
	<-done
}

func (a *allTests) verdict() (fault string, skip bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.fault, a.skip
}

func (*allTests) Helper() {}

func (a *allTests) Cleanup(f func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.cleanups = append(a.cleanups, f)
}

func (a *allTests) end(skip bool, fault string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.fault, a.skip = fault, skip
	fmt.Fprintln(os.Stderr, fault)
	runtime.Goexit()
}

func (a *allTests) Fatal(args ...any)                 { a.end(false, fmt.Sprint(args...)) }
func (a *allTests) Fatalf(format string, args ...any) { a.end(false, fmt.Sprintf(format, args...)) }
func (a *allTests) Skipf(format string, args ...any)  { a.end(true, fmt.Sprintf(format, args...)) }
