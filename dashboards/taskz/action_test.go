package taskz

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	postlude "github.com/postlude/postlude/runtime"
	"github.com/postlude/postlude/runtime/taskconv"
)

// ada lets one person act.
func ada(r *http.Request) (string, error) {
	switch user := r.Header.Get("X-User"); user {
	case "ada":
		return user, nil
	case "":
		return "", errors.New("sign in first")
	default:
		return user, errors.New(user + " is not in the group operators")
	}
}

// TestAuthorisation: who may do what, from where, and what the record of it says.
func TestAuthorisation(t *testing.T) {
	for _, tc := range []struct {
		name      string
		authorize func(*http.Request) (string, error)
		header    []string
		code      int
		message   string
		who       string
	}{
		{"off", nil, []string{"X-User", "ada"}, 403, "actions are off", ""},
		{"nobody", ada, nil, 403, "sign in first", ""},
		{"another", ada, []string{"X-User", "eve"}, 403, "eve is not in the group operators", "eve"},
		{"broken", func(*http.Request) (string, error) { panic("no session store") }, nil, 500, "Config.Authorize: panic: no session store", ""},
		{"may", ada, []string{"X-User", "ada"}, 200, "", "ada"},
		{"from the page", ada, []string{"X-User", "ada", "Sec-Fetch-Site", "same-origin"}, 200, "", "ada"},
		{"from another site", ada, []string{"X-User", "ada", "Sec-Fetch-Site", "cross-site"}, 403, "not from this page", ""},
		{"from a neighbour", ada, []string{"X-User", "ada", "Sec-Fetch-Site", "same-site"}, 403, "not from this page", ""},
		{"from another origin", ada, []string{"X-User", "ada", "Origin", "https://evil.example"}, 403, "not from this page", ""},
		{"same origin", ada, []string{"X-User", "ada", "Origin", "http://example.com"}, 200, "", "ada"},
	} {
		synctest.Test(t, func(t *testing.T) {
			h, harness := newPage(t, postlude.Config{}, Config{Authorize: tc.authorize})
			run, err := postlude.Go(harness.Context(), postlude.Func("runs", func(ctx context.Context) error {
				select {
				case <-ctx.Done():
					return context.Cause(ctx)
				case <-time.After(time.Hour):
					return nil
				}
			}))
			if err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if s := get[state](t, h, "/"); s.Actions != (tc.authorize != nil) {
				t.Errorf("%s: actions: %v", tc.name, s.Actions)
			}
			w := request(h, "POST", "/tasks/"+run.ID()+"/cancel", tc.header...)
			var e errorJSON
			_ = json.Unmarshal(w.Body.Bytes(), &e) // of another shape if it was done
			if w.Code != tc.code || !strings.HasPrefix(e.Error.Message, tc.message) {
				t.Errorf("%s: %d, %s", tc.name, w.Code, w.Body)
			}
			synctest.Wait()
			if canceled := run.Err() != nil; canceled != (tc.code == 200) {
				t.Errorf("%s: canceled: %v", tc.name, canceled)
			}
			records := harness.Records(taskconv.EventAction)
			if len(records) != 1 {
				t.Fatalf("%s: %v", tc.name, records)
			}
			want := map[int]string{200: "canceling", 403: taskconv.ActionRefused, 500: taskconv.ActionFailed}[tc.code]
			if r := records[0]; r[taskconv.LogActionWho] != tc.who || r[taskconv.LogAction] != "cancel" || r[taskconv.TaskID] != run.ID() || r[taskconv.LogActionResult] != want {
				t.Errorf("%s: %v", tc.name, r)
			}
			run.Cancel()
		})
	}
}

// TestGetNeverActs, nor does any other method, or another path.
func TestGetNeverActs(t *testing.T) {
	h, harness := newPage(t, postlude.Config{}, Config{Authorize: func(*http.Request) (string, error) { return "ada", nil }})
	block := make(chan struct{})
	run, err := postlude.Go(harness.Context(), postlude.Func("runs", func(ctx context.Context) error {
		select {
		case <-block:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}))
	if err != nil {
		t.Fatal(err)
	}
	for _, method := range []string{"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "post"} {
		if w := request(h, method, "/tasks/"+run.ID()+"/cancel"); w.Code != http.StatusMethodNotAllowed {
			t.Errorf("%s: %d", method, w.Code)
		}
	}
	if w := request(h, "POST", "/tasks/"+run.ID()); w.Code != http.StatusNotFound {
		t.Error(w.Code)
	}
	close(block)
	harness.Settle()
	if run.Err() != nil || len(harness.Records(taskconv.EventAction)) > 0 {
		t.Errorf("%v, %v", run.Err(), harness.Records(taskconv.EventAction))
	}
}

// TestTaskActions: retry now, and what can't be done.
func TestTaskActions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, harness := newPage(t, postlude.Config{}, Config{Authorize: ada})
		runs := 0
		run, err := postlude.Go(harness.Context(), postlude.Func("flaky", func(context.Context) error {
			if runs++; runs == 1 {
				return errBoom
			}
			return nil
		}), postlude.OnError(postlude.Retry{Max: 1, Base: time.Hour}))
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		w := request(h, "POST", "/tasks/"+run.ID()+"/retry", "X-User", "ada")
		if want := `{"action":"retry_now","id":"` + run.ID() + `","result":"retrying","who":"ada"}`; w.Body.String() != want {
			t.Errorf("%d, %s", w.Code, w.Body)
		}
		synctest.Wait()
		if runs != 2 || run.Err() != nil {
			t.Errorf("%d runs, %v", runs, run.Err())
		}
		for path, code := range map[string]int{
			"/tasks/" + run.ID() + "/retry": 404, "/tasks/" + run.ID() + "/cancel": 404, "/tasks/%2e%2e/cancel": 404, "/dead-letters/1/retry": 404, "/dead-letters/1/discard": 404,
		} {
			if w := request(h, "POST", path, "X-User", "ada"); w.Code != code {
				t.Errorf("%s: %d, %s", path, w.Code, w.Body)
			}
		}
		failed := 0
		for _, r := range harness.Records(taskconv.EventAction) {
			if r[taskconv.LogActionResult] == taskconv.ActionFailed && r[taskconv.ExceptionMessage] != "" {
				failed++
			}
		}
		if failed != 5 {
			t.Errorf("%v", harness.Records(taskconv.EventAction))
		}
	})
}
