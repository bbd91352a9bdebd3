// Package pgtest starts a private PostgreSQL for a test. It needs the server's programs
// (Debian: apt-get install postgresql), and nothing else: no client library, no root,
// though it works as root, too.
//
//	srv := pgtest.Start(t)
//	pool, err := pgxpool.New(ctx, srv.URL()) // a new empty database at each call
//
// With TEST_DATABASE_URL in the environment, that server is used. Without it, a test is
// skipped where there is no PostgreSQL, unless CI or POSTLUDE_REQUIRE_POSTGRES is set.
//
// The servers favour speed: what they store survives Kill, but no crash of the machine.
// On Linux they end with the test binary, even if that is killed. Elsewhere a server then
// takes up to a minute to notice that its files are gone.
package pgtest

import (
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"
)

// Server is a PostgreSQL server of one test. Its methods are for the goroutine of the
// test: they end it when something fails.
type Server struct {
	t       testing.TB
	bin     programs
	cluster *cluster // nil: the server of TEST_DATABASE_URL
	base    *url.URL // of the database that others are created from
	prefix  string   // of the names of databases

	mu        sync.Mutex
	databases int
}

// Start starts a server, and ends it with t. It takes about half a second the first time,
// and a fifth from then on.
func Start(t testing.TB) *Server {
	t.Helper()
	bin := find()
	if external := os.Getenv("TEST_DATABASE_URL"); external != "" {
		return useExternal(t, bin, external)
	}
	if err := bin.check(); err != nil {
		if os.Getenv("CI") != "" || os.Getenv("POSTLUDE_REQUIRE_POSTGRES") != "" {
			t.Fatalf("pgtest: %v", err)
		}
		t.Skipf("pgtest: %v", err)
	}
	c, err := newCluster(bin)
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	t.Cleanup(c.remove)
	if err := c.start(); err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	base := &url.URL{
		Scheme: "postgres", User: url.User(superuser), Path: "/postgres", RawQuery: "sslmode=disable",
		Host: fmt.Sprintf("127.0.0.1:%d", c.port),
	}
	return &Server{t: t, bin: bin, cluster: c, base: base, prefix: "test"}
}

func useExternal(t testing.TB, bin programs, external string) *Server {
	t.Helper()
	base, err := url.Parse(external)
	if err != nil || base.Scheme != "postgres" && base.Scheme != "postgresql" {
		t.Fatal("pgtest: TEST_DATABASE_URL is no URL such as postgres://user:password@host:5432/postgres")
	}
	// Test binaries run side by side, and share this server.
	prefix := fmt.Sprintf("test_%d_%d", os.Getpid(), time.Now().UnixNano())
	return &Server{t: t, bin: bin, base: base, prefix: prefix}
}

// URL creates an empty database and returns its URL. On a server of TEST_DATABASE_URL
// the database is dropped at the end of the test.
func (s *Server) URL() string {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock() // two at once would wait for each other in the server anyway
	s.databases++
	name := fmt.Sprintf("%s_%d", s.prefix, s.databases)
	s.client("createdb", "--template=template0", name)
	if s.cluster == nil {
		s.t.Cleanup(func() { s.client("dropdb", "--force", "--if-exists", name) })
	}
	u := *s.base
	u.Path = "/" + name
	return u.String()
}

// client runs one of the programs that manage databases.
func (s *Server) client(program string, args ...string) {
	s.t.Helper()
	cmd := exec.Command(s.bin.path(program), append(args, "--maintenance-db="+s.base.String())...)
	if s.cluster != nil {
		cmd.Env = environment()
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("pgtest: %s: %v\n%s", program, err, out)
	}
}

// Stop ends the server in good order, and cuts off its clients. It returns when the
// server is gone.
func (s *Server) Stop() {
	s.t.Helper()
	s.need("Stop")
	if err := s.cluster.stop(fast); err != nil {
		s.t.Fatalf("pgtest: %v", err)
	}
}

// Kill ends the server and all its processes by SIGKILL, as the kernel would if memory
// ran out. It returns when they are gone.
func (s *Server) Kill() {
	s.t.Helper()
	s.need("Kill")
	if err := s.cluster.kill(); err != nil {
		s.t.Fatalf("pgtest: %v", err)
	}
}

// Restart starts the server again, with the port and the data that it had; one that runs
// is stopped before. It returns when the server takes connections.
func (s *Server) Restart() {
	s.t.Helper()
	s.need("Restart")
	s.Stop()
	if err := s.cluster.restart(); err != nil {
		s.t.Fatalf("pgtest: %v", err)
	}
}

func (s *Server) need(method string) {
	s.t.Helper()
	if s.cluster == nil {
		s.t.Skipf("pgtest: %s is not possible with the server of TEST_DATABASE_URL; unset it to have the test start its own", method)
	}
}
