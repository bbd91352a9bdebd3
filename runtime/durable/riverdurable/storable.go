package riverdurable

import (
	"encoding/json"
	"errors"
	"strconv"
	"unicode/utf8"
)

// maxNumber is how far the digits of a number may reach: PostgreSQL takes 16,383 after the
// point, and more before it.
const maxNumber = 16_000

var (
	errNUL       = errors.New(`they have a \u0000 in a text`)
	errSurrogate = errors.New(`they have half of a pair of surrogates (\ud800 to \udfff) in a text`)
	errUTF8      = errors.New("they have a text that is no UTF-8")
	errNumber    = errors.New("they have a number with more than 16,000 digits")
)

// checkJSONB finds what PostgreSQL refuses of valid JSON.
func checkJSONB(text json.RawMessage) error {
	if !utf8.Valid(text) {
		return errUTF8
	}
	for i := 0; i < len(text); {
		n, err := 1, error(nil)
		switch c := text[i]; {
		case c == '"':
			n, err = checkText(text[i:])
		case c == '-' || c >= '0' && c <= '9':
			n, err = checkNumber(text[i:])
		}
		if err != nil {
			return err
		}
		i += n
	}
	return nil
}

// checkText returns how long the text at the begin is, with its quotes.
func checkText(text []byte) (int, error) {
	for i := 1; i < len(text); i++ {
		if text[i] == '"' {
			return i + 1, nil
		}
		if text[i] != '\\' {
			continue
		}
		i++ // the next is escaped, and begins no escape itself
		if text[i] != 'u' {
			continue
		}
		switch r := hex(text[i+1 : i+5]); {
		case r == 0:
			return 0, errNUL
		case isLow(r) || isHigh(r) && !lowFollows(text[i+5:]):
			return 0, errSurrogate
		case isHigh(r):
			i += 6
		}
		i += 4
	}
	return len(text), nil
}

func hex(digits []byte) uint64 {
	r, _ := strconv.ParseUint(string(digits), 16, 32) // they are digits, as the JSON is valid
	return r
}

func isHigh(r uint64) bool { return r >= 0xd800 && r < 0xdc00 }
func isLow(r uint64) bool  { return r >= 0xdc00 && r < 0xe000 }

func lowFollows(text []byte) bool {
	return len(text) >= 6 && text[0] == '\\' && text[1] == 'u' && isLow(hex(text[2:6]))
}

// checkNumber returns how long the number at the begin is.
func checkNumber(text []byte) (int, error) {
	end, exponent := len(text), 0
	for i, c := range text {
		if c == 'e' || c == 'E' {
			exponent = i + 1
		} else if (c < '0' || c > '9') && c != '.' && c != '-' && c != '+' {
			end = i
			break
		}
	}
	power := 0
	if exponent > 0 {
		var err error
		if power, err = strconv.Atoi(string(text[exponent:end])); err != nil {
			return 0, errNumber
		}
	}
	if end > maxNumber || power > maxNumber-end || -power > maxNumber-end {
		return 0, errNumber
	}
	return end, nil
}
