package render

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Names that are masked if words in a row make them up; see Options.Names.
var maskedWords = []string{
	"password", "passwd", "passphrase", "passcode", "pwd", "pass word",
	"secret", "token", "jwt", "otp", "bearer", "csrf", "xsrf",
	"authorization", "cookie", "credential", "cred",
	"api key", "access key", "private key", "secret key", "signing key", "encryption key",
	"session id", "sessid",
	"card", "card number", "card no", "credit card", "debit card", "pan", "cvv", "cvc", "csc",
	"pin", "pin code", "iban", "ssn", "social security number",
}

// maskedInside are the names that are masked inside of a word too: long or odd
// enough to mean nothing else, but for the endings in spare.
var maskedInside = []struct {
	name  string
	spare []string
}{
	{name: "password"},
	{name: "passwd"},
	{name: "passphrase"},
	{name: "pwd"},
	{name: "authorization"},
	{name: "credential"},
	{name: "cookie"},
	{name: "apikey"},
	{name: "accesskey"},
	{name: "privatekey"},
	{name: "signingkey"},
	{name: "sessionid"},
	{name: "creditcard"},
	{name: "cardnumber"},
	{name: "token", spare: []string{"iz", "is"}}, // tokenizer, tokenisation
	{name: "secret", spare: []string{"ar"}},      // secretary
}

type matcher struct {
	words   map[string]struct{}
	longest int // bytes of the longest of words, plus one for the plural's s
}

func newMatcher(more []string) *matcher {
	m := &matcher{words: make(map[string]struct{}, len(maskedWords)+len(more))}
	for _, list := range [][]string{maskedWords, more} {
		for _, name := range list {
			text, _ := split(nil, nil, name)
			if len(text) > 0 {
				m.words[string(text)] = struct{}{}
				m.longest = max(m.longest, len(text)+1)
			}
		}
	}
	return m
}

// match reports whether values under name are masked. It doesn't allocate for
// names of ordinary length, because it is asked for every key of every map.
func (m *matcher) match(name string) bool {
	var textBuf [64]byte
	var startBuf [24]int
	text, starts := split(textBuf[:0], startBuf[:0], name)
	for i, from := range starts {
		for j := i + 1; j <= len(starts); j++ {
			to := len(text)
			if j < len(starts) {
				to = starts[j]
			}
			if to-from > m.longest {
				break
			}
			if m.is(text[from:to]) {
				return true
			}
		}
	}
	return inside(string(text))
}

// is reports whether word is a masked name or the plural of one.
func (m *matcher) is(word []byte) bool {
	if _, ok := m.words[string(word)]; ok {
		return true
	}
	if n := len(word) - 1; n > 0 && word[n] == 's' {
		_, ok := m.words[string(word[:n])]
		return ok
	}
	return false
}

func inside(text string) bool {
	for _, in := range maskedInside {
		for rest := text; ; {
			i := strings.Index(rest, in.name)
			if i < 0 {
				break
			}
			rest = rest[i+len(in.name):]
			if !hasAnyPrefix(rest, in.spare) {
				return true
			}
		}
	}
	return false
}

func hasAnyPrefix(s string, prefixes []string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}

// class of a rune, as far as words are concerned.
type class uint8

const (
	other class = iota
	lower
	upper
	digit
)

func classOf(r rune) class {
	switch {
	case r < utf8.RuneSelf && 'a' <= r && r <= 'z':
		return lower
	case unicode.IsUpper(r) || unicode.IsTitle(r):
		return upper
	case unicode.IsDigit(r):
		return digit
	case unicode.IsLetter(r):
		return lower
	}
	return other
}

// split appends the letters and digits of name to text, in lower case, and to
// starts where in text each word begins.
func split(text []byte, starts []int, name string) ([]byte, []int) {
	prev := other
	for i, r := range name {
		c := classOf(r)
		if c == other {
			prev = other
			continue
		}
		if c != prev && !(prev == upper && c == lower) || humpAt(prev, c, name[i:], r) {
			starts = append(starts, len(text))
		}
		text = utf8.AppendRune(text, unicode.ToLower(r))
		prev = c
	}
	return text, starts
}

// humpAt reports whether a run of capitals ends before r, which already belongs
// to the next word: the K of "APIKey". rest begins with r.
func humpAt(prev, c class, rest string, r rune) bool {
	if prev != upper || c != upper {
		return false
	}
	next, size := utf8.DecodeRuneInString(rest[utf8.RuneLen(r):])
	// A plural's s, as in "PINs", doesn't begin a word: words in a row are tried together.
	return size > 0 && classOf(next) == lower
}
