// Package page looks at the task page as people do: in a browser, over HTTP, with a
// runtime that works. There are only tests here.
package page

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(closing{m}) }

// closing closes the browser that the tests share before leaks are looked for.
type closing struct{ *testing.M }

func (c closing) Run() int {
	defer shared.close()
	return c.M.Run()
}
