package render

import "testing"

// TestPlain tries all pairs of bytes at all places: eight are looked at together.
func TestPlain(t *testing.T) {
	safe := func(c int) bool { return c >= ' ' && c < 0x80 && c != '"' && c != '\\' }
	for at := range 11 {
		text := []byte("twelve bytes")
		for a := range 256 {
			for b := range 256 {
				text[at], text[at+1] = byte(a), byte(b)
				if got, want := plain(string(text)), safe(a) && safe(b); got != want {
					t.Fatalf("%q: %v", text, got)
				}
			}
		}
	}
}
