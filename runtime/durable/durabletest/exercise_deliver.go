package durabletest

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/postlude/postlude/runtime/durable"
)

var deliverTests = []exercise{
	{"a whole job", func(l *lab) {
		start := time.Now()
		j := l.job(map[string]any{"order": 17}, durable.Priority(3))
		id := l.put(l.bound(), j)
		d := l.work(1, done).expect(id, 1)
		if d.Task != j.Task || d.Queue != j.Queue || d.Priority != 3 {
			l.Errorf("it is of task %q, queue %q and priority %d; want %q, %q and 3", d.Task, d.Queue, d.Priority, j.Task, j.Queue)
		}
		if d.State != nil {
			l.Errorf("the State of the first attempt is %s", d.State)
		}
		if !between(d.Ready, start, time.Now()) {
			l.Errorf("it is Ready at %v, and was enqueued at %v", d.Ready, start)
		}
	}},
	{"arguments", func(l *lab) {
		c := l.work(1, done)
		for _, args := range hostileJSON() {
			j := l.job(json.RawMessage(args))
			id := l.put(l.bound(), j)
			l.sameJSON("Args", c.expect(id, 1).Args, j.Args)
		}
	}},
	{"envelope", func(l *lab) {
		c := l.work(1, done)
		for _, value := range hostileJSON() {
			j := l.job(1)
			j.Envelope = json.RawMessage(`{"v":1,"id":"` + uuid() + `","a field of the future":` + value + `}`)
			id := l.put(l.bound(), j)
			l.sameJSON("Envelope", c.expect(id, 1).Envelope, j.Envelope)
		}
	}},
	{"default queue", func(l *lab) {
		j := l.job(1)
		j.Queue = ""
		d := l.work(1, done, func(w *durable.Worker) { w.Queues = nil }).expect(l.put(l.bound(), j), 1)
		if d.Queue != durable.DefaultQueue || d.Priority != durable.PriorityHighest {
			l.Errorf("it has the queue %q and the priority %d; want what a job without has: %q and %d",
				d.Queue, d.Priority, durable.DefaultQueue, durable.PriorityHighest)
		}
	}},
	{"several tasks", func(l *lab) {
		tasks := []string{l.task, l.unused("task"), l.unused("task-with.other/chars:x y")}
		c := l.work(2, done, func(w *durable.Worker) { w.Tasks = tasks })
		for i, task := range append(tasks, tasks...) {
			j := l.job(i)
			j.Task = task
			id := l.put(l.bound(), j)
			if d := c.expect(id, 1); d.Task != task || l.number(d) != i {
				l.Errorf("%s of task %q was delivered, want %d of %q", d.Args, d.Task, i, task)
			}
		}
	}},
}

// hostileJSON are values that are apt to be damaged on their way through a database.
func hostileJSON() []string {
	quoted := func(s string) string {
		data, _ := json.Marshal(s) // it can't fail for a string
		return string(data)
	}
	return []string{
		`null`, `true`, `false`, `0`, `-0`, `-1`, `1.50`, `""`, `[]`, `{}`, "\n { \"a\" :\t[ 1 , 2 ] } ",
		`[1,[2,[3,{"x":null,"y":[{}]}]]]`, strings.Repeat("[", 200) + strings.Repeat("]", 200),
		`9007199254740993`, `-9223372036854775808`, `18446744073709551615`, `123456789012345678901234567890`,
		`0.1`, `10.000000000000000001`, `1e300`, `5e-324`, `1.7976931348623157e+308`, `[1E2,1e-2]`,
		`"ünïcödé 漢字 \ud83d\ude00 ` + "\U0001F600" + ` \u00e9 e\u0301"`, `"\u2028\u2029\ufeff\ufffd\uffff"`,
		`"\u0001\b\f\n\r\t\u001f\u007f"`, `"<script>&amp;'\"\\\/"`, quoted(`'; drop table jobs; --`),
		quoted(`%s %d %00 {} $1 ?1 :x @y ${HOME} \x00 \\u0000`), quoted(strings.Repeat("long ", 60_000)),
		`{"":1,"a.b":2,"$ref":3,"__proto__":4,"\"":5,"é":6,"A":7,"a":8}`, `"null"`, `"{\"a\":1}"`,
		`{"` + strings.Repeat("k", 5000) + `":` + fmt.Sprint(time.Now().UnixNano()) + `}`,
	}
}
