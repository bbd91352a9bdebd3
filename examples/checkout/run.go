package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/postlude/postlude/otelx/otelsetup"
	postlude "github.com/postlude/postlude/runtime"
)

// An orchestrator usually gives a process ten seconds between SIGTERM and SIGKILL.
const (
	drainTime  = 7 * time.Second // for requests and tasks
	exportTime = 2 * time.Second // for telemetry, kept back: it is to tell of the rest
)

// program is what runs.
type program struct {
	url, paymentURL  string
	rt, paymentTasks *postlude.Runtime
	log              *slog.Logger
	failed           chan error // from servers
	ends             []func(context.Context) error
}

// start begins the parts, each after what it needs: drain ends them the other way round.
// If it fails, nothing is left running.
func start(ctx context.Context, cfg config) (p *program, err error) {
	p = &program{failed: make(chan error, 3)}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.drain())
		}
	}()
	if p.log, err = p.openLog(cfg); err != nil {
		return p, err
	}
	front, err := p.openService(ctx, cfg, "shop", otelsetup.Start)
	if err != nil {
		return p, err
	}
	back, err := p.openService(ctx, cfg, "payment", otelsetup.New)
	if err != nil {
		return p, err
	}
	db, err := open(ctx, cfg)
	if err != nil {
		return p, err
	}
	p.atEnd(func(context.Context) error { return db.Close() })
	others := &others{log: p.log}
	url, err := p.serve("127.0.0.1:0", others.routes(), nil)
	if err != nil {
		return p, err
	}
	if err := p.openPayment(cfg, back); err != nil {
		return p, err
	}
	return p, p.openShop(cfg, front, db, others, url)
}

func (p *program) openPayment(cfg config, s *service) error {
	pay, err := newPayment(cfg, s)
	if err != nil {
		return err
	}
	p.paymentTasks = pay.rt
	p.atEnd(endTasks(pay.rt))
	p.paymentURL, err = p.serve(cfg.paymentAddr, pay.routes(), pay.rt.Attach)
	return err
}

func (p *program) openShop(cfg config, s *service, db store, others *others, othersURL string) error {
	calls := calls{client: s.client(), payment: local(p.paymentURL), others: othersURL}
	tasks := newTasks(cfg, db, calls, s.log)
	rt, err := postlude.New(s.runtime(cfg, tasks.defaults(), db.engine(), tasks.all()...))
	if err != nil {
		return err
	}
	p.rt = rt
	p.atEnd(endTasks(rt))
	page, closePage := livePage(rt, s.SpansDropped, s.log, cfg.actions)
	p.atEnd(func(context.Context) error { // also if it is never served
		closePage()
		return nil
	})
	shop := &shop{service: s, db: db, tasks: tasks, faults: newFaults(cfg.fail, cfg.seed), others: others, traceURL: cfg.traceURL}
	p.url, err = p.serve(cfg.addr, shop.routes(rt, page), func(srv *http.Server) {
		rt.Attach(srv)                    // tells the runtime when a response has been sent
		srv.RegisterOnShutdown(closePage) // its streams would not end on their own
	})
	if err == nil && cfg.load > 0 {
		p.atEnd(beginLoad(local(p.url), cfg.load, s.log))
	}
	return err
}

// serve listens, so that a port that is taken is an error here, and serves until the end.
func (p *program) serve(addr string, h http.Handler, prepare func(*http.Server)) (url string, err error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return "", err
	}
	srv := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ErrorLog:          slog.NewLogLogger(p.log.Handler(), slog.LevelWarn),
	}
	if prepare != nil {
		prepare(srv)
	}
	go func() { // until Shutdown
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			p.failed <- err
		}
	}()
	p.atEnd(func(ctx context.Context) error {
		if err := srv.Shutdown(ctx); err != nil {
			return errors.Join(fmt.Errorf("requests to %s: %w", addr, err), srv.Close())
		}
		return nil
	})
	return "http://" + l.Addr().String(), nil
}

func endTasks(rt *postlude.Runtime) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := rt.Shutdown(ctx) // the report is a record, too
		return err
	}
}

func (p *program) atEnd(end func(context.Context) error) { p.ends = append(p.ends, end) }

// drain ends the parts, the last first: the load, the shop's requests and tasks, those of the
// payment service, which the tasks call, then the database, and the telemetry of it all.
// Its error is of what did not end, or was lost; a second call has nothing to do.
func (p *program) drain() error {
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	var errs []error
	for _, end := range slices.Backward(p.ends) {
		errs = append(errs, end(ctx))
	}
	p.ends = nil
	return errors.Join(errs...)
}
