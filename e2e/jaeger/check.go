package jaeger

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/postlude/postlude/runtime/taskconv"
)

// Check returns all that is wrong with a trace of a request and its tasks, joined: as many
// attempts of the task as wanted, and each span where it belongs.
func Check(t Trace, request, task string, attempts int) error {
	c := checker{trace: t, byID: map[string]Span{}}
	for _, s := range t.Spans {
		c.byID[s.ID] = s
	}
	c.warnings()
	c.tree(request)
	n := 0
	for _, s := range t.Spans {
		if strings.HasPrefix(s.Name, taskconv.SpanRun) {
			c.attempt(s)
		}
		if s.Name == taskconv.SpanRun+task {
			n++
		}
	}
	if n != attempts {
		c.wrong("%d spans are named %q, not %d", n, taskconv.SpanRun+task, attempts)
	}
	return errors.Join(c.errs...)
}

type checker struct {
	trace Trace
	byID  map[string]Span
	errs  []error
}

func (c *checker) wrong(format string, args ...any) {
	c.errs = append(c.errs, fmt.Errorf("trace "+c.trace.ID+": "+format, args...))
}

// warnings are Jaeger's own: of clocks that seem to differ, parents that are missing.
func (c *checker) warnings() {
	for _, w := range c.trace.Warnings {
		c.wrong("warning: %s", w)
	}
	for _, s := range c.trace.Spans {
		for _, w := range s.Warnings {
			c.wrong("warning of span %q: %s", s.Name, w)
		}
		host, _ := find(c.trace.Processes[s.ProcessID].Tags, "host.name")
		if host == nil || host == "" {
			c.wrong("span %q has no host.name, so that Jaeger can't tell whose clock it has", s.Name)
		}
	}
}

// tree: there is one root, the request, and every other span hangs below one that is there.
func (c *checker) tree(request string) {
	var roots []string
	for _, s := range c.trace.Spans {
		parent, ok := s.Parent(c.trace.ID)
		switch _, there := c.byID[parent.Span]; {
		case !ok:
			roots = append(roots, s.Name)
		case !there:
			c.wrong("the parent of span %q is not there", s.Name)
		}
	}
	if !slices.Equal(roots, []string{request}) {
		c.wrong("the roots are %q, not %q", roots, request)
	}
}

// kinds are the types that Jaeger has to have kept.
var kinds = map[string]string{
	taskconv.TaskName: "string", taskconv.TaskID: "string", taskconv.TaskTiming: "string", taskconv.TaskShield: "bool",
	taskconv.TaskAttempt: "int64", taskconv.TaskQueueDelay: "float64", taskconv.TaskOutcome: "string", "span.kind": "string",
}

func (c *checker) attempt(s Span) {
	for key, want := range kinds {
		if value, kind := s.Tag(key); kind != want {
			c.wrong("%s of span %q is %q %v, not %s", key, s.Name, kind, value, want)
		}
	}
	if kind, _ := s.Tag("span.kind"); kind != "consumer" {
		c.wrong("span %q is of the kind %v", s.Name, kind)
	}
	if parent, _ := s.Parent(c.trace.ID); parent.Type != FollowsFrom {
		c.wrong("span %q refers to its parent as %q, not %s", s.Name, parent.Type, FollowsFrom)
	}
	c.before(s)
	if outcome, _ := s.Tag(taskconv.TaskOutcome); outcome != taskconv.OutcomeOK {
		c.failed(s)
	}
}

// before: a retry also follows from the attempt before it.
func (c *checker) before(s Span) {
	n, _ := s.Tag(taskconv.TaskAttempt)
	id, _ := s.Tag(taskconv.TaskID)
	number, _ := n.(float64)
	if number < 2 {
		return
	}
	for _, r := range s.References {
		b := c.byID[r.Span]
		otherID, _ := b.Tag(taskconv.TaskID)
		if other, _ := b.Tag(taskconv.TaskAttempt); r.Type == FollowsFrom && otherID == id && other == number-1 {
			return
		}
	}
	c.wrong("attempt %v of span %q does not follow from the one before", number, s.Name)
}

// failed: what is shown in red, and why.
func (c *checker) failed(s Span) {
	if isError, kind := s.Tag("error"); isError != true || kind != "bool" {
		c.wrong("span %q failed, and its tag error is %v", s.Name, isError)
	}
	for _, l := range s.Logs {
		if name, _ := find(l.Fields, "event"); name == taskconv.ExceptionEvent {
			if message, _ := find(l.Fields, taskconv.ExceptionMessage); message != nil {
				return
			}
		}
	}
	c.wrong("span %q failed, and has no log of an exception with its message", s.Name)
}
