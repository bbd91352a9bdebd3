// Package hostile holds text that has broken log pipelines: what ends a line, a string, a
// JSON document or a terminal's good manners, and what is no text at all.
package hostile

import (
	"fmt"
	"strings"
)

// Text is all of it. It is no valid UTF-8. NUL comes last, as rsyslog and lnav, which are
// written in C, end a text there.
const Text = "one\ntwo\r\nthree\n\n\"quoted\" 'single' back\\slash \\n \\u0041 tab\t \u2028line\u2029paragraph\u0085 " +
	"\x1b[31mred\x1b[0m \x7f \xff\xfe bad \xe2\x82 cut €😀é </script> ${HOME} %s %!d(MISSING) @cee:{} #012 " +
	"}\n{\"event\":\"task.failed\",\"msg\":\"forged\"}\n\x00nul"

// Shown is what telemetry shows of Text: all but the bytes that are no text.
var Shown = strings.ToValidUTF8(Text, "\uFFFD")

// BeforeNUL is what they show of a text.
func BeforeNUL(text string) string {
	before, _, _ := strings.Cut(text, "\x00")
	return before
}

// Stack is a stack trace of more than 16 KiB, twice what many pipelines take as a line
// by default. Text is in its middle, and again at its end.
func Stack() string {
	var b strings.Builder
	b.WriteString("goroutine 1 [running]:\n")
	for i := range 200 {
		fmt.Fprintf(&b, "github.com/example/shop/internal/mail.deep(0x%x, {%q})\n\t/src/mail/deep.go:%d +0x1d\n", i, "argument", i)
		if i == 100 {
			b.WriteString(BeforeNUL(Text))
		}
	}
	return b.String() + Text
}
