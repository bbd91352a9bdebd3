package sentrynotify

import (
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"github.com/getsentry/sentry-go"
)

func TestFramesOf(t *testing.T) {
	for _, c := range []struct {
		name, stack string
		want        []string // module, function, file, line, in app
	}{
		{"none", "", nil},
		{"another format", "Error: x\n    at main (x.js:1)\n", nil},
		{"lines alone", "\tx.go:1\nmain.f()\n", nil},
		{
			"a panic", `goroutine 18 [running]:
github.com/x/shop.(*Till).charge(0xc000012345, {0x1, 0x2})
	/src/shop/charge.go:12 +0x1d
github.com/x/shop.each[...](...)
	/src/shop/each.go:3
github.com/postlude/postlude/runtime.(*attempt).call(0xc0)
	github.com/postlude/postlude@v1.0.0/runtime/exec.go:7 +0x3f
...12 frames elided...
created by main.main.func1 in goroutine 1
	C:/src/main.go:7 +0x3f
`,
			[]string{
				"main main.func1 C:/src/main.go 7 true",
				"github.com/postlude/postlude/runtime (*attempt).call github.com/postlude/postlude@v1.0.0/runtime/exec.go 7 false",
				"github.com/x/shop each[...] /src/shop/each.go 3 true",
				"github.com/x/shop (*Till).charge /src/shop/charge.go 12 true",
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			for _, f := range framesOf(c.stack) {
				got = append(got, fmt.Sprint(f.Module, " ", f.Function, " ", f.AbsPath+f.Filename, " ", f.Lineno, " ", f.InApp))
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

func TestFramesOfARealStack(t *testing.T) {
	frames := framesOf(string(debug.Stack()))
	if !slices.ContainsFunc(frames, func(f sentry.Frame) bool { return f.Function == "TestFramesOfARealStack" && f.InApp }) {
		t.Errorf("frames: %+v", frames)
	}
}

func FuzzFramesOf(f *testing.F) {
	f.Add("goroutine 1 [running]:\nmain.f(0x1)\n\t/x.go:1 +0x2\n")
	f.Add("created by ( in goroutine \n\t:9\n(\n)\n\t+0x:\n")
	f.Add(string(debug.Stack()))
	f.Fuzz(func(t *testing.T, stack string) {
		frames := framesOf(stack)
		if len(frames) > maxFrames || len(frames) > strings.Count(stack, "\n") {
			t.Errorf("%d frames", len(frames))
		}
	})
}
