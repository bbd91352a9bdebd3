// Package render turns the arguments of a task into JSON that may be shown: on
// a log line, on a span and on the task page.
//
// It has a walker of its own, because neither encoding/json nor slog redacts:
// slog asks a LogValuer only where it stands directly in an attribute, so one
// inside a struct field or a slice is printed in full. This walker asks at every
// depth, masks by name and by tag, and bounds whatever it prints.
//
// # What is masked
//
// A value is replaced by "[REDACTED]", whatever its type, if it stands under a
// masked name: a struct field (its Go name or its json name), a map key, a
// slog attribute, or a parameter in the query of a [net/url.URL]. See
// [Options.Names] for how names are compared. Struct tags decide for a field:
//
//	Number string `log:"secret"` // "[REDACTED]"
//	Raw    string `log:"-"`      // left out
//
// # How values are shown
//
// The first rule that fits a value is used:
//
//   - [log/slog.LogValuer]: what LogValue returns, walked again.
//   - time.Time as RFC 3339, time.Duration as text, url.URL without its password.
//   - Contexts, readers, writers and the structs of net/http and crypto: their
//     type's name, because they are huge, alive or secret themselves.
//   - error: its text.
//   - [encoding/json.Marshaler]: its output is decoded and walked, so that names are
//     masked in it too; [encoding.TextMarshaler]: its text. Neither is asked if
//     a `log` tag stands anywhere in the type: they could not know of it.
//   - Byte slices and arrays: their length only. Functions and channels: their type.
//   - Structs as encoding/json has them (json names, embedded structs flattened),
//     maps with sorted keys, slices, numbers, text; NaN and infinities as text.
//
// Methods with a pointer receiver count, even if the value itself is not
// addressable: a LogValue that redacts must not depend on that.
//
// The walker recovers from panics, also from those of the methods that it calls.
// It cannot recover from a map that is written while it is read, which ends
// the process: arguments must not be changed once their task is scheduled.
package render

import (
	"reflect"
	"sync"
)

// JSON is the text of one JSON value, redacted. The zero JSON means that there is none.
//
// It is a struct, because OpenTelemetry's bridge for slog takes of a struct what its String
// says, and calls other types that are not its own "unhandled" in the record.
type JSON struct{ text string }

// Of returns text, which has to be JSON and redacted, or empty, as JSON.
func Of(text string) JSON { return JSON{text} }

// String returns the text.
func (j JSON) String() string { return j.text }

// IsZero reports whether there is no value.
func (j JSON) IsZero() bool { return j.text == "" }

// MarshalJSON returns the text as it is, so that it is embedded as a value and
// not as a quoted string; null if there is none.
func (j JSON) MarshalJSON() ([]byte, error) {
	if j.IsZero() {
		return []byte("null"), nil
	}
	return []byte(j.text), nil
}

// Defaults of [Options].
const (
	DefaultMaxDepth = 8
	DefaultMaxLen   = 4 << 10
	DefaultMaxItems = 64
)

// minLen keeps room for one value and its closing text.
const minLen = 64

// Options configure a [Renderer]. The zero value is what most want.
type Options struct {
	// Names are masked besides the built-in ones, such as password, secret, token,
	// authorization, cookie, card, cvv, api key, private key, session id, iban and pin.
	//
	// Names are compared word by word. A name is cut into words at everything
	// that is no letter or digit, between letters and digits, and at the humps of
	// camelCase; case does not matter. It is masked if some words in a row, put
	// together, are a masked name or its plural with s: "card" masks "card_number",
	// "Card" and "oldCards", but neither "discard" nor "cardinality", and
	// "api key" masks "X-Api-Key", "apiKey" and "APIKEY".
	//
	// Some built-in names are masked inside of words too, because people write
	// them without a seam: "dbpassword", "accesstoken", "clientsecret". The words
	// built on "tokenize" and "secretary" are spared.
	Names []string

	// MaxDepth bounds how deep structs, maps and slices are nested; what is
	// deeper is shown as "…". 0 means DefaultMaxDepth.
	MaxDepth int
	// MaxLen bounds the whole text, in bytes; a single string is cut at a quarter
	// of it, so that one long field doesn't crowd out the others. 0 means
	// DefaultMaxLen, and the least is 64.
	MaxLen int
	// MaxItems bounds the elements shown of a slice or map. 0 means DefaultMaxItems.
	MaxItems int
}

// Renderer renders values. It is safe for concurrent use. It remembers what it
// learned of each type, so make one and keep it.
type Renderer struct {
	names    *matcher
	maxDepth int
	maxLen   int
	maxStr   int
	maxItems int
	types    sync.Map // reflect.Type -> *typeInfo
	pool     sync.Pool
}

// New returns a Renderer.
func New(o Options) *Renderer {
	r := &Renderer{
		names:    newMatcher(o.Names),
		maxDepth: orDefault(o.MaxDepth, DefaultMaxDepth),
		maxLen:   max(minLen, orDefault(o.MaxLen, DefaultMaxLen)),
		maxItems: orDefault(o.MaxItems, DefaultMaxItems),
	}
	r.maxStr = max(r.maxLen/4, 16)
	r.pool.New = func() any { return &walker{r: r} }
	return r
}

func orDefault(n, def int) int {
	if n <= 0 {
		return def
	}
	return n
}

// JSON renders v. The result is always valid JSON of at most MaxLen bytes, also
// when it is cut, and the same value gives the same text. It never panics. A
// value that is JSON already is returned as it is.
func (r *Renderer) JSON(v any) (out JSON) {
	if j, ok := v.(JSON); ok {
		return j
	}
	r.render(v, func(text []byte) { out = Of(string(text)) })
	return out
}

// Append appends what JSON returns.
func (r *Renderer) Append(b []byte, v any) []byte {
	if j, ok := v.(JSON); ok {
		return append(b, j.text...)
	}
	r.render(v, func(text []byte) { b = append(b, text...) })
	return b
}

// render calls use with the text, which is not to be kept.
func (r *Renderer) render(v any, use func([]byte)) {
	w := r.pool.Get().(*walker)
	defer func() {
		// The panic's value isn't shown: it may hold what was to be hidden.
		if recover() != nil {
			use([]byte(`"!PANIC: render"`))
			return // and w, in whatever state it is, isn't used again
		}
		w.reset()
		r.pool.Put(w)
	}()
	w.steps = 4 * r.maxLen
	w.value(reflect.ValueOf(v), 0)
	use(w.buf)
}
