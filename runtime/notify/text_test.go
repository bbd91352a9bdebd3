package notify

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"go.opentelemetry.io/otel/trace"

	"github.com/postlude/postlude/internal/render"
	postlude "github.com/postlude/postlude/runtime"
)

func TestMessageEscapes(t *testing.T) {
	f := failureOf(t, "send_receipt", map[string]any{"to": "<!channel> & `x`", "password": "hunter2!"},
		errors.New("first\nTrace: http://evil\u2028Task ID: 1\u202e<@U1> `*bold*`\x00"))
	f.TraceURL, f.Suppressed = "https://traces.example/1?a=1&b=2", 3
	text := message(f)
	for _, want := range []string{
		"*Task failed:* `send_receipt`\n",
		"Function: `github.com/postlude/postlude/runtime/notify.failureOf.func1`\n",
		"Error: `*errors.errorString` (error)\n",
		"Message: `first\\nTrace: http://evil\\u2028Task ID: 1\\u202e&lt;@U1&gt; '*bold*'\\x00`\n",
		"Arguments: `{\"password\":\"[REDACTED]\",\"to\":\"&lt;!channel&gt; &amp; 'x'\"}`\n",
		"Timing: immediate, shield: false\n",
		"Attempts: 1, the last took ",
		"\n• 1: 20",
		"Trace: https://traces.example/1?a=1&amp;b=2\n",
		"Task ID: `" + f.ID + "`\n",
		"Suppressed: 3 more failures of this kind",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	if got := labels(text); !slices.Equal(got, []string{
		"*Task failed", "Function", "Error", "Message", "Arguments", "Timing", "Attempts", "• 1", "Trace", "Task ID", "Suppressed",
	}) {
		t.Errorf("lines: %q", got)
	}
}

func TestMessageListsAttempts(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.FixedZone("", 3600))
	past := func(number int) postlude.FailedAttempt {
		return postlude.FailedAttempt{Attempt: number, Start: at, Elapsed: 1234567, Err: errBoom}
	}
	history := func(numbers ...int) (h []postlude.FailedAttempt) {
		for _, n := range numbers {
			h = append(h, past(n))
		}
		return h
	}
	fallback := past(2)
	fallback.Fallback = true
	for _, c := range []struct {
		name    string
		history []postlude.FailedAttempt
		want    []string // what the lines begin with
	}{
		{"none", nil, nil},
		{"one", history(1), []string{"• 1: 2026-03-01T11:00:00.123Z, 1.2ms, `boom`"}},
		{"a fallback", append(history(1, 2), fallback), []string{"• 1: ", "• 2: ", "• fallback: "}},
		{
			"many", history(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12),
			[]string{"• 1: ", "• 2: ", "• 3: ", "• 2 more", "• 6: ", "• 7: ", "• 8: ", "• 9: ", "• 10: ", "• 11: ", "• 12: "},
		},
		{"some forgotten", history(1, 2, 99, 100), []string{"• 1: ", "• 2: ", "• 96 more", "• 99: ", "• 100: "}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b strings.Builder
			attempts(&b, &postlude.Failure{Attempt: 12, MaxAttempts: 13, History: c.history, Elapsed: 2 * time.Second})
			lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
			if lines[0] != "Attempts: 12 of 13, the last took 2s" || len(lines) != len(c.want)+1 {
				t.Fatalf("got %q", lines)
			}
			for i, want := range c.want {
				if !strings.HasPrefix(lines[i+1], want) {
					t.Errorf("line %d is %q, want %q", i, lines[i+1], want)
				}
			}
		})
	}
}

// A provider's SERVER span is no task: see postlude.Escalate.
func TestMessageAboutARequest(t *testing.T) {
	text := message(&postlude.Failure{Attempt: 1, ErrorType: "500", Kind: postlude.KindError})
	if want := []string{"*Request failed", "Error", "Message", "Attempts"}; !slices.Equal(labels(text), want) {
		t.Errorf("got %q", text)
	}
}

// labels are what the lines begin with.
func labels(text string) (all []string) {
	for l := range strings.Lines(text) {
		label, _, _ := strings.Cut(l, ":")
		all = append(all, label)
	}
	return all
}

type login struct {
	User     string
	Password string
	Nested   map[string][]string
}

// FuzzMessage: whatever a task, its arguments and its errors are called, what is posted is
// JSON, bounded, has the lines that it should have, and none of what is masked.
func FuzzMessage(f *testing.F) {
	f.Add("send_receipt", "connection refused", "alice", "hunter2", "http://j/1", 2)
	f.Add("a\nMessage: x", "x`\n*Task failed:* `y", "</>&", "\xff\x00", "\u2028\u2029\u0085\r\n", 40)
	f.Add("n", "\u202e", "&", "p", "u&", 9999)
	f.Fuzz(func(t *testing.T, name, text, user, secret, url string, many int) {
		if name == "" || text == "" {
			return
		}
		size := max(0, many) % 5000 // long inputs are slow to fuzz
		name, text, user, url = repeat(name, size), repeat(text, size), repeat(user, size), repeat(url, size)
		const marker = "S3CR3T-MARKER"
		password := marker + secret
		if strings.Contains(name+text+user+url, marker) {
			return
		}
		fail, task := failureBy(errors.New(text), url, size), postlude.TaskInfo{Name: name, Func: text, Timing: "immediate"}
		args := redact.JSON(login{User: user, Password: password, Nested: map[string][]string{user + "_token": {password}}})
		checkMessage(t, decoded(t, payload(messageOf(&fail, task, args.String()))), url, marker)
	})
}

var redact = render.New(render.Options{})

// failureBy is the failure of a task with the given texts in it, and many attempts.
func failureBy(err error, url string, many int) postlude.Failure {
	f := postlude.Failure{
		ID: "1", Err: err, Kind: postlude.KindError, ErrorType: err.Error(), TraceURL: url, Attempt: many, MaxAttempts: many,
		SpanContext: trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1}}),
	}
	for i := range many % 100 {
		f.History = append(f.History, postlude.FailedAttempt{Attempt: i, Err: err, Fallback: i%7 == 0})
	}
	return f
}

// decoded is the text as a receiver decodes it.
func decoded(t *testing.T, body *bytes.Buffer) string {
	var got map[string]string
	if err := json.Unmarshal(body.Bytes(), &got); err != nil || len(got) != 1 {
		t.Fatalf("%v in %q", err, body)
	}
	return got["text"]
}

// repeat is s, n times more, within what matters.
func repeat(s string, n int) string { return s + strings.Repeat(s, min(n, 1<<14/(len(s)+1))) }

func checkMessage(t *testing.T, text, url, marker string) {
	if len(text) > maxText || !utf8.ValidString(text) {
		t.Errorf("%d bytes, valid: %t", len(text), utf8.ValidString(text))
	}
	if strings.Contains(text, marker) {
		t.Errorf("a secret is in %q", text)
	}
	if strings.ContainsAny(text, "<>") || strings.ContainsFunc(text, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }) {
		t.Errorf("markup or what can't be seen is in %q", text)
	}
	want := []string{"*Task failed", "Function", "Error", "Message", "Arguments", "Timing", "Attempts"}
	if url != "" {
		want = append(want, "Trace")
	}
	want = append(want, "Trace ID", "Task ID")
	got := slices.DeleteFunc(labels(text), func(l string) bool { return strings.HasPrefix(l, "• ") })
	if !slices.Equal(got, want) {
		t.Errorf("lines are %q, want %q, in %q", got, want, text)
	}
	for l := range strings.Lines(text) {
		if n := strings.Count(l, "`"); n%2 != 0 || n > 2 {
			t.Errorf("a code span is broken: %q", l)
		}
	}
}

func TestLineIsBounded(t *testing.T) {
	for _, c := range []struct {
		in, want string
		limit    int
	}{
		{"", "", 0},
		{"abc", "abc", 3},
		{"abcd", "abc…", 3},
		{"ab&", "ab…", 6},
		{"äö", "ä…", 3},
		{"a\n", "a…", 2},
	} {
		if got := line(c.in, c.limit); got != c.want {
			t.Errorf("line(%q, %d) = %q, want %q", c.in, c.limit, got, c.want)
		}
	}
	if fmt.Sprint(code("", 1)) != "(none)" {
		t.Error("an empty code span is no code span")
	}
}
