package main

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	maxLoad   = 10_000 // orders a second
	maxFlight = 256    // of them at once: a shop that does not keep up is sent no more
	maxWait   = time.Second
)

// beginLoad orders, rate times a second, until the function that it returns is called.
func beginLoad(shop string, rate float64, log *slog.Logger) (end func(context.Context) error) {
	ctx, stop := context.WithCancel(context.Background())
	requests, abort := context.WithCancel(context.Background())
	g := &generator{
		ctx:    requests,
		client: &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: maxFlight}},
		url:    shop + "/orders", slots: make(chan struct{}, maxFlight),
	}
	var wg sync.WaitGroup
	wg.Go(func() { g.run(ctx, rate) })
	return func(context.Context) error {
		stop()
		patience := time.AfterFunc(maxWait, abort) // what is on its way may arrive
		wg.Wait()
		patience.Stop()
		abort()
		g.client.CloseIdleConnections()
		log.Info("the load has ended", "orders", g.orders.Load(), "refused", g.refused.Load(), "skipped", g.skipped.Load())
		return nil
	}
}

type generator struct {
	ctx    context.Context // of the requests
	client *http.Client
	url    string
	slots  chan struct{}

	orders, refused, skipped atomic.Int64
}

// run keeps to the rate on average: what a tick is late, the next ones catch up.
func (g *generator) run(ctx context.Context, rate float64) {
	var wg sync.WaitGroup
	defer wg.Wait()
	tick := time.NewTicker(max(time.Millisecond, min(time.Duration(float64(time.Second)/rate), time.Second)))
	defer tick.Stop()
	for begin, n := time.Now(), 0; ; {
		for ; float64(n) < time.Since(begin).Seconds()*rate; n++ {
			select {
			case g.slots <- struct{}{}:
				wg.Go(func() {
					defer func() { <-g.slots }()
					g.order()
				})
			default:
				g.skipped.Add(1)
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (g *generator) order() {
	g.orders.Add(1)
	req, err := http.NewRequestWithContext(g.ctx, http.MethodPost, g.url, http.NoBody)
	if err != nil {
		return // the URL is our own
	}
	resp, err := g.client.Do(req)
	if err != nil {
		g.refused.Add(1)
		return
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body) // the connection can be used again
	if resp.StatusCode != http.StatusAccepted {
		g.refused.Add(1)
	}
}
