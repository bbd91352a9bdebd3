package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"github.com/postlude/postlude/internal/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestShop: an order's invoice is written, once; one that fails is a dead letter that can
// be retried and discarded. On PostgreSQL, one process takes orders and another writes.
func TestShop(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) {
		cfg := config{sqlite: filepath.Join(t.TempDir(), "shop.db"), role: "both"}
		visit(t, serve(t, cfg))
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		cfg := config{postgres: pgtest.Start(t).URL(), role: "web"}
		url := serve(t, cfg)
		cfg.role = "worker"
		serve(t, cfg)
		visit(t, url)
	})
}

// TestCreateTablesTogether: processes that start at the same time, with an empty database.
func TestCreateTablesTogether(t *testing.T) {
	cfg, err := pgxpool.ParseConfig(pgtest.Start(t).URL())
	if err != nil {
		t.Fatal(err)
	}
	cfg.MaxConns = 8
	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	for range 20 {
		if _, err := pool.Exec(t.Context(), "DROP TABLE IF EXISTS orders, invoices"); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if err := createTables(t.Context(), pool); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
}

// serve runs the shop until the end of the test.
func serve(t *testing.T, cfg config) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cfg.addr, cfg.takes = l.Addr().String(), 10*time.Millisecond
	l.Close() // the shop opens it again
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, cfg) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	return "http://" + cfg.addr
}

func visit(t *testing.T, url string) {
	t.Helper()
	eventually(t, "the shop is open", func() bool {
		_, err := ask("GET", url+"/orders/none")
		return err == nil
	})
	order(t, url+"/orders/o-17")
	eventually(t, "one invoice", func() bool {
		body, err := ask("GET", url+"/orders/o-17")
		return err == nil && strings.Contains(body, `"invoices":1`)
	})
	order(t, url+"/orders/o-18?fail=1")
	var dead []struct{ ID, Args, Message string }
	eventually(t, "a dead letter", func() bool {
		body, err := ask("GET", url+"/dead-letters")
		return err == nil && json.Unmarshal([]byte(body), &dead) == nil && len(dead) == 1
	})
	if !strings.Contains(dead[0].Message, "out of paper") || strings.Contains(dead[0].Args, "4111") {
		t.Errorf("%+v", dead)
	}
	letter := url + "/dead-letters/" + dead[0].ID
	order(t, letter+"/retry")
	if _, err := ask("DELETE", letter); err == nil {
		t.Error("a letter that is retried was discarded")
	}
	eventually(t, "it is dead again", func() bool {
		_, err := ask("DELETE", letter)
		return err == nil
	})
}

func order(t *testing.T, url string) {
	t.Helper()
	if _, err := ask("POST", url); err != nil {
		t.Fatal(err)
	}
}

func ask(method, url string) (string, error) {
	req, err := http.NewRequest(method, url, http.NoBody)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, body)
	}
	return string(body), err
}

// eventually waits for what another process does, for 20 s at most.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}
