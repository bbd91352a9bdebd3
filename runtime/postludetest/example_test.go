package postludetest_test

import (
	"context"
	"errors"
	"testing"

	postlude "github.com/postlude/postlude/runtime"
	"github.com/postlude/postlude/runtime/postludetest"
)

func TestErrorHandler(t *testing.T) {
	var handled string
	handler := postlude.HandlerFunc("test", func(_ context.Context, f *postlude.Failure) postlude.Verdict {
		handled = f.Task().Name + ": " + f.Err.Error()
		return postlude.Handled
	})
	h := postludetest.New(t, postlude.Config{})
	task := postlude.Func("test_task", func(context.Context) error { return errors.New("test error") })
	if _, err := postlude.Go(h.Context(), task, postlude.OnError(handler)); err != nil {
		t.Fatal(err)
	}
	h.Settle()
	if handled != "test_task: test error" {
		t.Fatalf("handler saw %q", handled)
	}
	if rec := h.Records("task.failed"); len(rec) != 1 || rec[0]["task.verdict"] != "handled" {
		t.Fatalf("records: %v", rec)
	}
}
