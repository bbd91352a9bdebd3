package main

import (
	"context"
	"math"
	"time"

	"github.com/postlude/postlude/benchmarks/internal/figures"
)

// coreToCore is the unit of machine.Handover. Where cores are far from each other, tasks that
// a queue hands from one to the other cost more, and a goroutine that runs where it was
// started does not: ratios are of machines as near as they were.
const coreToCore = "core to core, ns"

// nearby bounds a handover between cores that share a cache, in nanoseconds: there it takes
// some 50, else 200 and more.
const nearby = 120

// handovers adds how long they took before and after the measurement: nothing if the cores
// have moved meanwhile, or there is but one.
func (v values) handovers(before, after time.Duration) {
	if before > 0 && isNear(before) == isNear(after) {
		v[coreToCore] = float64(before+after) / 2
	}
}

func isNear(handover time.Duration) bool { return handover <= nearby }

// awaitNear waits until the cores are near to each other, for a minute at most: the report
// tells what was not.
func awaitNear(ctx context.Context, handover func() time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for pause := time.NewTicker(time.Second); ctx.Err() == nil && !isNear(handover()); {
		select {
		case <-ctx.Done():
		case <-pause.C:
		}
	}
}

// cores are those that measurements were made on.
type cores uint8

const (
	anyCores cores = iota
	nearCores
	farCores
)

// has tells whether a measurement with that time between cores was made on such ones.
func (c cores) has(handover float64) bool {
	return c == anyCores || !math.IsNaN(handover) && isNear(time.Duration(handover)) == (c == nearCores)
}

// between is that time over all measurements.
func (r results) between() (figures.Spread, bool) {
	var all []float64
	for s := range r {
		all = append(all, r.of(s, coreToCore)...)
	}
	return spreadOf(all)
}
