package errs_test

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"

	"github.com/postlude/postlude/internal/errs"
)

type typed struct{ name string }

func (t *typed) Error() string     { return t.name }
func (t *typed) ErrorType() string { return t.name }

type value struct{}

func (value) Error() string { return "value" }

func TestTypeAndText(t *testing.T) {
	for _, c := range []struct {
		err        error
		kind, text string
	}{
		{errors.New("plain"), "*errors.errorString", "plain"},
		{fmt.Errorf("a: %w", fmt.Errorf("b: %w", &fs.PathError{Op: "open", Path: "x", Err: fs.ErrNotExist})), "*fs.PathError", "a: b: open x: file does not exist"},
		{fmt.Errorf("a: %w", &typed{"declined"}), "declined", "a: declined"},
		{value{}, "github.com/postlude/postlude/internal/errs_test.value", "value"},
		{(*typed)(nil), "*errs_test.typed", "!PANIC: Error of *errs_test.typed"},
	} {
		if kind, text := errs.Type(c.err), errs.Text(c.err); kind != c.kind || text != c.text {
			t.Errorf("got %q %q, want %q %q", kind, text, c.kind, c.text)
		}
	}
}
