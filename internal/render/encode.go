package render

import (
	"math"
	"strconv"
	"unicode/utf8"
)

const (
	// Redacted stands for a value that is masked.
	Redacted = "[REDACTED]"

	ellipsis  = "…"
	cut       = `"…"`     // what stands for a value that doesn't fit
	cutKey    = `"…":"…"` // what stands for the fields that don't fit
	maxKey    = 120       // bytes of a key, before it is escaped
	maxTypeOf = 80        // bytes of a type's name

	// Every open object or array has this much set aside: a comma and cutKey, to
	// show that something is missing, and its closing bracket.
	closing = 1 + len(cutKey) + 1
)

const hexDigits = "0123456789abcdef"

// appendQuoted appends s as a JSON string of at most limit bytes, which must be
// at least len(cut). A string that is cut ends in an ellipsis.
func appendQuoted(b []byte, s string, limit int) []byte {
	b = append(b, '"')
	if len(s) <= limit-2 && plain(s) {
		b = append(b, s...)
		return append(b, '"')
	}
	end := len(b) + limit - 2 // of the text, where the closing quote goes
	safe := len(b)            // up to here an ellipsis still fits
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		b = appendRune(b, r)
		if len(b) > end {
			b = append(b[:safe], ellipsis...)
			break
		}
		if len(b)+len(ellipsis) <= end {
			safe = len(b)
		}
		i += size
	}
	return append(b, '"')
}

// AppendString appends s as a JSON string, however long.
func AppendString(b []byte, s string) []byte {
	b = append(b, '"')
	if plain(s) {
		return append(append(b, s...), '"')
	}
	for _, r := range s {
		b = appendRune(b, r)
	}
	return append(b, '"')
}

// AppendFloat appends f as a JSON number, or as text if JSON has no number for it.
func AppendFloat(b []byte, f float64) []byte { return appendFloat(b, f, 64) }

// clip returns key, at most maxKey bytes and an ellipsis of it.
func clip(key string) string {
	if len(key) <= maxKey {
		return key
	}
	n := maxKey
	for n > maxKey-utf8.UTFMax && !utf8.RuneStart(key[n]) {
		n--
	}
	return key[:n] + ellipsis
}

// plain reports whether s needs no escaping. It looks at eight bytes at a time: nearly all
// that is written is plain, and no key or value is written without this being asked.
func plain(s string) bool {
	const each = 0x0101010101010101
	for ; len(s) >= 8; s = s[8:] {
		v := uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
			uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
		// The highest bit of a byte is set if it is no ASCII, below a space, or one of the
		// two; a borrow can set it for the byte after one of those only.
		below, quote, backslash := v-' '*each, (v^'"'*each)-each, (v^'\\'*each)-each
		if (v|below|quote|backslash)&(0x80*each) != 0 {
			return false
		}
	}
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= utf8.RuneSelf || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

func appendRune(b []byte, r rune) []byte {
	switch {
	case r == '"' || r == '\\':
		return append(b, '\\', byte(r))
	case r == '\n':
		return append(b, '\\', 'n')
	case r == '\t':
		return append(b, '\\', 't')
	case r < ' ':
		return append(b, '\\', 'u', '0', '0', hexDigits[r>>4], hexDigits[r&0xf])
	case r == '\u2028' || r == '\u2029':
		// Valid in JSON, but line ends to JavaScript and to some log shippers.
		return append(b, '\\', 'u', '2', '0', '2', hexDigits[r&0xf])
	}
	return utf8.AppendRune(b, r) // RuneError stands for what is no UTF-8
}

// appendFloat appends f as encoding/json would; what JSON has no number for is text.
func appendFloat(b []byte, f float64, bits int) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return strconv.AppendQuote(b, strconv.FormatFloat(f, 'g', -1, bits))
	}
	format := byte('f')
	if a := math.Abs(f); a != 0 && (a < 1e-6 || a >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(b, f, format, -1, bits)
}

// isNumber reports whether s is a number by JSON's grammar.
func isNumber(s string) bool {
	if s != "" && s[0] == '-' {
		s = s[1:]
	}
	n := digits(s)
	if n == 0 || n > 1 && s[0] == '0' {
		return false
	}
	if s = s[n:]; s != "" && s[0] == '.' {
		if n = digits(s[1:]); n == 0 {
			return false
		}
		s = s[1+n:]
	}
	if s != "" && (s[0] == 'e' || s[0] == 'E') {
		if s = s[1:]; s != "" && (s[0] == '+' || s[0] == '-') {
			s = s[1:]
		}
		if n = digits(s); n == 0 {
			return false
		}
		s = s[n:]
	}
	return s == ""
}

func digits(s string) int {
	n := 0
	for n < len(s) && '0' <= s[n] && s[n] <= '9' {
		n++
	}
	return n
}
