package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"

	"github.com/postlude/postlude/benchmarks/internal/contend"
	"github.com/postlude/postlude/benchmarks/internal/machine"
	postlude "github.com/postlude/postlude/runtime"
)

// serveArg makes a process the server of HTTP's measurements.
const serveArg = "serve-one"

// noTask is the server whose handler has nothing else to do.
const noTask = "no task"

const usagePath = "/usage"

// usage is what a server tells of itself.
type usage struct{ CPU time.Duration }

// serve serves until stdin is closed: whoever started it may be killed, and that tells.
func serve(text string) error {
	var s spec
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	shop, err := newShop(s)
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- shop.Serve(listener) }()
	fmt.Println(listener.Addr())
	_, _ = io.Copy(io.Discard, os.Stdin) // closed is all that can happen to it
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := shop.Shutdown(ctx); err != nil {
		return err
	}
	if err := <-ended; err != http.ErrServerClosed {
		return err
	}
	return shop.end(ctx)
}

// shop is a server with an otelhttp handler, as applications have it.
type shop struct {
	http.Server
	contender contend.Contender // nil: no task
	tel       *contend.Telemetry
	served    atomic.Int64
}

func newShop(s spec) (*shop, error) {
	out := new(shop)
	schedule := func(context.Context, contend.Receipt) error { return nil }
	if s.Kind == noTask {
		out.tel = contend.NewTelemetry(contend.TelemetryConfig{Sampling: s.Sampling})
	} else {
		c, tel, err := s.start(func(context.Context, contend.Receipt) error { return nil }, nil)
		if err != nil {
			return nil, err
		}
		out.contender, out.tel, schedule = c, tel, c.Submit
	}
	p, ours := out.contender.(*contend.Postlude)
	if ours {
		schedule = func(ctx context.Context, r contend.Receipt) error {
			_, err := postlude.AfterResponse(ctx, p.Job(r))
			return err
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /orders/{id}", func(w http.ResponseWriter, r *http.Request) {
		if err := schedule(r.Context(), contend.Receipt{Order: r.PathValue("id"), Cents: 1999}); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		out.served.Add(1)
		w.WriteHeader(http.StatusAccepted)
	})
	var handler http.Handler = mux
	if ours {
		handler = p.Middleware(mux)
	}
	root := http.NewServeMux()
	root.Handle("/", otelhttp.NewHandler(handler, "shop", otelhttp.WithTracerProvider(out.tel.Tracers), otelhttp.WithMeterProvider(out.tel.Meters)))
	root.HandleFunc(usagePath, func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(usage{machine.CPUTime()}) // the client sees what is missing
	})
	out.Handler = root
	if ours {
		p.Attach(&out.Server)
	}
	return out, nil
}

// end finishes the tasks, and tells whether one is missing.
func (s *shop) end(ctx context.Context) error {
	if s.contender == nil {
		return s.tel.Close(ctx)
	}
	s.contender.Wait()
	err := errors.Join(s.tel.Flush(ctx), s.tel.Check(ctx, int(s.served.Load())))
	return errors.Join(err, s.contender.Close(), s.tel.Close(ctx))
}
