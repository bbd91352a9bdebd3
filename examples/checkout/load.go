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
)

// beginLoad orders, rate times a second, until the function that it returns is called.
func beginLoad(shop string, rate float64, log *slog.Logger) (end func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	g := &generator{
		client: &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: maxFlight}},
		url:    shop + "/orders", slots: make(chan struct{}, maxFlight),
	}
	var wg sync.WaitGroup
	wg.Go(func() { g.run(ctx, rate) })
	return func(context.Context) error {
		cancel() // requests end with it
		wg.Wait()
		g.client.CloseIdleConnections()
		log.Info("the load has ended", "orders", g.orders.Load(), "refused", g.refused.Load(), "skipped", g.skipped.Load())
		return nil
	}
}

type generator struct {
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
					g.order(ctx)
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

func (g *generator) order(ctx context.Context) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.url, http.NoBody)
	if err != nil {
		return // the URL is our own
	}
	resp, err := g.client.Do(req)
	if err != nil {
		if ctx.Err() == nil {
			g.refused.Add(1)
		}
		return
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	g.orders.Add(1)
	if resp.StatusCode != http.StatusAccepted {
		g.refused.Add(1)
	}
}
