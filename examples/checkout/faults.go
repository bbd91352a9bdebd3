package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"go.opentelemetry.io/otel/baggage"
)

// What can go wrong. A request says so by a query parameter, ?payment=down, and the fault
// travels as baggage to whoever commits it: through the tasks, over HTTP into the other
// service, through the durable queue.
const (
	flaky    = "flaky"    // the first attempt fails
	slow     = "slow"     // it takes -slow
	down     = "down"     // the first choice fails, the fallback works
	out      = "out"      // the fallback fails, too: people are told
	declined = "declined" // the card is bad
)

// allowed are the faults of each part. Of those with a ratio, -fail picks one at random:
// what is there twice comes twice as often.
var allowed = map[string][]string{
	"payment": {flaky, flaky, flaky, slow, down, down, declined, out},
	"mail":    {flaky, flaky, flaky, down, down, out},
	"stock":   {"panic"},
	"invoice": {"fail"},
}

const faultPrefix = "fault."

// faultOf tells what shall go wrong in a part, "" for nothing.
func faultOf(ctx context.Context, part string) string {
	return baggage.FromContext(ctx).Member(faultPrefix + part).Value()
}

// faults chooses what goes wrong with an order.
type faults struct {
	ratio float64
	mu    sync.Mutex
	rand  *rand.Rand
}

// newFaults draws the same faults for the same seed: those of the n-th order are always the same.
func newFaults(ratio float64, seed uint64) *faults {
	return &faults{ratio: ratio, rand: rand.New(rand.NewPCG(seed, seed))}
}

// choose puts the faults of an order into its baggage. What the request asks for counts,
// and what it does not mention is left to chance.
func (f *faults) choose(ctx context.Context, asked url.Values) (context.Context, error) {
	chosen := map[string]string{"payment": "", "mail": ""}
	f.mu.Lock()
	for _, part := range []string{"payment", "mail"} { // in this order, for the seed
		if kinds := allowed[part]; f.rand.Float64() < f.ratio {
			chosen[part] = kinds[f.rand.IntN(len(kinds))]
		}
	}
	f.mu.Unlock()
	for part, kinds := range allowed {
		if kind := asked.Get(part); kind != "" {
			if !slices.Contains(kinds, kind) {
				return ctx, fmt.Errorf("?%s=%s is not one of %s", part, url.QueryEscape(kind), strings.Join(slices.Compact(slices.Clone(kinds)), ", "))
			}
			chosen[part] = kind
		}
	}
	return withFaults(ctx, chosen)
}

func withFaults(ctx context.Context, chosen map[string]string) (context.Context, error) {
	bag := baggage.FromContext(ctx)
	for part, kind := range chosen {
		if kind == "" {
			continue
		}
		member, err := baggage.NewMember(faultPrefix+part, kind)
		if err != nil {
			return ctx, err
		}
		if bag, err = bag.SetMember(member); err != nil {
			return ctx, err
		}
	}
	return baggage.ContextWithBaggage(ctx, bag), nil
}

// fails tells whether a call goes wrong, by the fault that its context has and how often it was tried.
func fails(r *http.Request, part string, fallback bool) bool {
	switch faultOf(r.Context(), part) {
	case flaky:
		return r.Header.Get(retryCount) == "0" && !fallback
	case down:
		return !fallback
	case out:
		return true
	}
	return false
}
