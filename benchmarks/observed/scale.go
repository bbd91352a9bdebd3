package main

import "time"

// scale is how much is measured.
type scale struct {
	rounds       int
	tasks        int           // of a cost
	most         int           // tasks that wait, at most
	paced        time.Duration // how long tasks come at a rate
	httpRequests int
}

var (
	full  = scale{rounds: 5, tasks: 100_000, most: 1_000_000, paced: 1500 * time.Millisecond, httpRequests: 20_000}
	quick = scale{rounds: 1, tasks: 1000, most: 1000, paced: 50 * time.Millisecond, httpRequests: 640}
)

// xs are the powers of ten from a number on.
func (sc scale) xs(from int) (all []int) {
	for _, x := range powers(sc.most) {
		if x >= from {
			all = append(all, x)
		}
	}
	return all
}

// sections are all that is measured.
func (sc scale) sections() []section {
	all := []section{costs{sc.tasks, sc.rounds}}
	all = append(all, sc.curves()...)
	return append(all, web{sc.httpRequests, sc.rounds})
}
