package taskz

import (
	"mime"
	"strconv"
	"strings"
)

// The media types that are offered.
const (
	typeHTML   = "text/html"
	typeJSON   = "application/json"
	typeEvents = "text/event-stream"
)

// negotiate chooses among the offers as RFC 9110, section 12.5.1, has it: each gets the
// quality of the most specific range that it is in, and the best one wins, of equals the
// first. Without an Accept header, or one that has anything readable in it, it is the
// first offer. It is false if the client wants none of them.
func negotiate(accept []string, offers ...string) (string, bool) {
	ranges := acceptRanges(accept)
	if len(ranges) == 0 {
		return offers[0], true
	}
	best, most := "", 0.0
	for _, offer := range offers {
		if q := quality(ranges, offer); q > most {
			best, most = offer, q
		}
	}
	return best, most > 0
}

// mediaRange is one of the types that a client accepts.
type mediaRange struct {
	pattern string // type/subtype, either may be *
	q       float64
}

// acceptRanges leaves out what it can't read, and ranges with parameters that no offer has.
func acceptRanges(accept []string) (ranges []mediaRange) {
	for _, header := range accept {
		for _, element := range splitUnquoted(header) {
			pattern, params, err := mime.ParseMediaType(element)
			if err != nil {
				continue
			}
			q := 1.0
			if text, ok := params["q"]; ok {
				if q, err = strconv.ParseFloat(text, 64); err != nil || !(q >= 0 && q <= 1) {
					continue
				}
			}
			delete(params, "q")
			delete(params, "charset") // all are UTF-8, which nobody has refused yet
			if len(params) == 0 && strings.Count(pattern, "/") == 1 {
				ranges = append(ranges, mediaRange{pattern, q})
			}
		}
	}
	return ranges
}

// splitUnquoted splits at commas that are not in a quoted string.
func splitUnquoted(s string) (parts []string) {
	quoted, start := false, 0
	for i := 0; i < len(s); i++ {
		switch {
		case quoted && s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == ',' && !quoted:
			parts = append(parts, s[start:i])
			start = i + 1
		}
	}
	return append(parts, s[start:])
}

// quality is that of the most specific range; 0 if there is none. Of equally specific
// ones the first counts.
func quality(ranges []mediaRange, offer string) (q float64) {
	kind, _, _ := strings.Cut(offer, "/")
	for i, specific := 0, []string{offer, kind + "/*", "*/*"}; i < len(specific); i++ {
		for _, r := range ranges {
			if r.pattern == specific[i] {
				return r.q
			}
		}
	}
	return 0
}
