package taskz

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	postlude "github.com/postlude/postlude/runtime"
)

var errBoom = errors.New("boom")

// TestHistory: what happened before somebody looks is there, by the step.
func TestHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, harness := newPage(t, postlude.Config{}, Config{})
		nap := func(d time.Duration) postlude.Job {
			return postlude.Func("nap", func(context.Context) error { time.Sleep(d); return nil })
		}
		time.Sleep(time.Second)
		settle(t, harness, nap(100*time.Millisecond))
		settle(t, harness, nap(200*time.Millisecond))
		settle(t, harness, postlude.Func("fails", func(context.Context) error { return errBoom }))
		time.Sleep(2*step - 1300*time.Millisecond)
		synctest.Wait()

		j := get[historyJSON](t, h, "/history")
		if j.Seq != 2 || len(j.Times) != 2 || j.StepMS != 5000 || j.Times[1].Sub(j.Times[0]) != step {
			t.Fatalf("%+v", j)
		}
		if !slices.Equal(j.Overall.RatePerS, column{0.6, 0}) || !slices.Equal(j.Overall.FailedPerS, column{0.2, 0}) {
			t.Errorf("%+v", j.Overall)
		}
		if len(j.Tasks) != 2 || j.Tasks[0].Name != "fails" || j.Tasks[1].Name != "nap" {
			t.Fatalf("%+v", j.Tasks)
		}
		nap95 := j.Tasks[1].P95MS
		if v := float64(nap95[0]); math.Abs(v-200) > 15 {
			t.Errorf("p95 is %v", v)
		}
		if text := request(h, "GET", "/history").Body.String(); !strings.Contains(text, `,null]`) {
			t.Errorf("a step without an attempt is no null: %s", text)
		}
	})
}

// TestWindow: rates and quantiles are of the last minute, not of all time.
func TestWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, harness := newPage(t, postlude.Config{}, Config{})
		fails := postlude.Func("fails", func(context.Context) error { time.Sleep(50 * time.Millisecond); return errBoom })
		for range 30 {
			settle(t, harness, fails, postlude.OnError(postlude.Retry{Max: 1, Base: time.Millisecond}))
		}
		time.Sleep(10*time.Second - 30*101*time.Millisecond)
		s := get[state](t, h, "/")
		w := s.Tasks[0].Window
		if w.Failed != 30 || w.Ended != 30 || w.Retries != 30 || w.RatePerS < 2.9 || w.RatePerS > 3.1 || w.Duration.Count != 60 || math.Abs(w.Duration.P50MS-50) > 4 {
			t.Errorf("%v ms: %+v", s.WindowMS, w)
		}
		if s.Overall.Window != w || s.Overall.Recent != s.Tasks[0].Recent || s.Overall.Retries != 30 {
			t.Errorf("%+v", s.Overall)
		}
		time.Sleep(90 * time.Second)
		s = get[state](t, h, "/")
		if w := s.Tasks[0].Window; w != (window{}) || s.WindowMS < 45e3 || s.WindowMS > 61e3 {
			t.Errorf("%v ms: %+v", s.WindowMS, w)
		}
		if s.Tasks[0].Recent != (recent{Ended: 30, Failed: 30}) || s.Tasks[0].Counts.Failed != 30 {
			t.Errorf("%+v", s.Tasks[0])
		}
		time.Sleep(maxPoints * step)
		if s = get[state](t, h, "/"); s.Tasks[0].Recent != (recent{}) || s.Overall.Recent != (recent{}) {
			t.Errorf("%+v", s.Tasks[0].Recent)
		}
		if j := get[historyJSON](t, h, "/history"); len(j.Times) != maxPoints || len(j.Tasks) != 0 || len(j.Overall.RatePerS) != maxPoints {
			t.Errorf("%d points, %+v", len(j.Times), j.Tasks)
		}
	})
}

// TestBounds: a name for each order must not take more memory than a thousand names, nor
// long texts more than their beginning.
func TestBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, harness := newPage(t, postlude.Config{}, Config{})
		long := strings.Repeat("x", 1<<20)
		ctx := harness.Context()
		for n := range 1200 {
			j := postlude.Func(fmt.Sprintf("order %d %s", n, long[:2000]), func(context.Context) error { return errors.New(long) })
			if _, err := postlude.Go(ctx, j); err != nil {
				t.Fatal(err)
			}
		}
		harness.Settle()
		time.Sleep(3 * step)
		synctest.Wait()
		s := get[state](t, h, "/")
		names := map[string]bool{}
		for _, task := range s.Tasks {
			names[task.Name] = true
			if len(task.Name) > maxName+20 {
				t.Fatalf("a name of %d bytes", len(task.Name))
			}
		}
		if len(s.Tasks) != 1025 || len(names) != 1025 || !names["(other)"] {
			t.Errorf("%d tasks, %d names", len(s.Tasks), len(names))
		}
		w := request(h, "GET", "/", "Accept", typeJSON)
		if n := w.Body.Len(); n > 2<<20 {
			t.Errorf("the state has %d bytes", n)
		}
		if len(h.history.tasks) > 1025 || len(h.history.bases) > maxBases {
			t.Errorf("%d series, %d bases", len(h.history.tasks), len(h.history.bases))
		}
	})
}

// TestMemory holds the package to what its documentation promises.
func TestMemory(t *testing.T) {
	for names, most := range map[int]int64{20: 1 << 20, 1200: 30 << 20} {
		synctest.Test(t, func(t *testing.T) {
			rt, _ := loaded(t)
			for n := range names {
				if _, err := postlude.Go(rt.Context(t.Context()), postlude.Func(fmt.Sprint("order ", n), func(context.Context) error { return nil })); err != nil {
					t.Fatal(err)
				}
			}
			if err := rt.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			before := heap()
			h := New(rt, Config{})
			defer h.Close()
			time.Sleep((maxBases + 1) * baseSteps * step)
			get[state](t, h, "/")
			if used := int64(heap() - before); used > most {
				t.Errorf("%d names: %d KiB are held", names, used>>10)
			} else {
				t.Logf("%d names: %d KiB", names, used>>10)
			}
		})
	}
}
