package sentrynotify

import (
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/getsentry/sentry-go"
)

const maxFrames = 100

// framesOf reads a stack as runtime/debug.Stack writes it, the oldest call first. It is
// nil for other formats.
//
//	goroutine 18 [running]:
//	main.charge(0x1, {0x2, 0x3})
//		/src/charge.go:12 +0x1d
//	created by main.main in goroutine 1
//		/src/main.go:7 +0x3f
func framesOf(stack string) (frames []sentry.Frame) {
	function := ""
	for line := range strings.Lines(stack) {
		line = strings.TrimSuffix(line, "\n")
		place, isPlace := strings.CutPrefix(line, "\t")
		if !isPlace {
			function = functionIn(line)
			continue
		}
		if file, number, ok := fileIn(place); ok && function != "" && len(frames) < maxFrames {
			frames = append(frames, frame(function, file, number))
		}
		function = ""
	}
	slices.Reverse(frames)
	return frames
}

// functionIn is the function's name without its arguments; "" if the line has none.
func functionIn(line string) string {
	if by, ok := strings.CutPrefix(line, "created by "); ok {
		name, _, _ := strings.Cut(by, " in goroutine ")
		return name
	}
	// The last one that is not within the arguments, which have none.
	if i := strings.LastIndexByte(line, '('); i > 0 && strings.HasSuffix(line, ")") {
		return line[:i]
	}
	return ""
}

// fileIn takes "/src/charge.go:12 +0x1d" apart.
func fileIn(place string) (file string, line int, ok bool) {
	place, _, _ = strings.Cut(place, " +0x")
	i := strings.LastIndexByte(place, ':')
	if i < 0 {
		return "", 0, false
	}
	line, err := strconv.Atoi(place[i+1:])
	return place[:i], line, err == nil
}

// frame is a call. Sentry folds away what is not the application's own code.
func frame(function, file string, line int) sentry.Frame {
	f := sentry.NewFrame(runtime.Frame{Function: function, File: file, Line: line})
	if f.Module == "runtime" || f.Module == "github.com/postlude/postlude/runtime" {
		f.InApp = false
	}
	return f
}
