package render

import (
	"reflect"
	"strconv"
)

// walker renders one value. Its invariant: whenever value is called, at least
// len(cut) bytes are free, so that there is always something valid to write.
type walker struct {
	r       *Renderer
	buf     []byte
	closing int     // bytes set aside for the open objects and arrays
	steps   int     // values that may still be looked at, whatever they print
	path    []visit // pointers, maps and slices that the walk is inside of
	entries []entry // keys and values of the maps that the walk is inside of

	resolving int // LogValues that the walk is inside of
}

type visit struct {
	typ reflect.Type
	ptr uintptr
	len int // of a slice: s and s[:1] begin at the same address
}

// reset makes w ready for its next use and lets go of the values it has seen.
func (w *walker) reset() {
	const keep = 64 << 10
	if cap(w.buf) > keep {
		w.buf = nil
	}
	clear(w.entries[:cap(w.entries)])
	w.buf, w.closing, w.path, w.entries = w.buf[:0], 0, w.path[:0], w.entries[:0]
	w.resolving = 0
}

// room returns how many bytes may be written now.
func (w *walker) room() int { return w.r.maxLen - len(w.buf) - w.closing }

// raw writes a value that is JSON already, or cut if it is too long.
func (w *walker) raw(s string) {
	if len(s) > w.room() {
		s = cut
	}
	w.buf = append(w.buf, s...)
}

// text writes a string, cut to what is free and to what one string may take.
func (w *walker) text(s string) {
	w.buf = appendQuoted(w.buf, s, min(w.room(), w.r.maxStr))
}

// scalar takes back what was appended to the buffer from start on if that is too much.
func (w *walker) scalar(start int) {
	if w.room() < 0 {
		w.buf = append(w.buf[:start], cut...)
	}
}

// begin opens an object or array. If there is no room, or it would be too
// deep, it writes cut instead and returns false.
func (w *walker) begin(bracket byte, depth int) bool {
	if depth >= w.r.maxDepth || w.room() < 1+closing {
		w.raw(cut)
		return false
	}
	w.buf = append(w.buf, bracket)
	w.closing += closing
	return true
}

// end closes what begin opened; missing is how many elements weren't written.
func (w *walker) end(bracket byte, missing int) {
	w.closing -= closing
	if missing > 0 {
		w.comma()
		start := len(w.buf)
		if bracket == '}' {
			w.buf = append(w.buf, `"…":"`...)
		} else {
			w.buf = append(w.buf, `"… `...)
		}
		w.buf = append(strconv.AppendInt(w.buf, int64(missing), 10), ` more"`...)
		if w.room() < 1 { // the bracket
			short := cut
			if bracket == '}' {
				short = cutKey
			}
			w.buf = append(w.buf[:start], short...)
		}
	}
	w.buf = append(w.buf, bracket)
}

func (w *walker) comma() {
	if c := w.buf[len(w.buf)-1]; c != '{' && c != '[' {
		w.buf = append(w.buf, ',')
	}
}

// element prepares for the next element of an array. False: there is no room for it.
func (w *walker) element() bool {
	if w.room() < 1+len(cut) {
		return false
	}
	w.comma()
	return true
}

// key prepares for the next field of an object. False: there is no room for it.
func (w *walker) key(name string) bool {
	start := len(w.buf)
	w.comma()
	w.buf = append(appendQuoted(w.buf, name, 8*maxKey), ':') // escaping makes six bytes of one
	return w.keyFits(start)
}

// quotedKey is key for a name that has been quoted before, with its colon.
func (w *walker) quotedKey(name string) bool {
	start := len(w.buf)
	w.comma()
	w.buf = append(w.buf, name...)
	return w.keyFits(start)
}

func (w *walker) keyFits(start int) bool {
	if w.room() >= len(cut) {
		return true
	}
	w.buf = w.buf[:start]
	return false
}

// enter notes that the walk goes into v, a pointer, map or slice. False: it is
// inside of v already, or in a chain of pointers without end; this has been written.
func (w *walker) enter(v reflect.Value) bool {
	at := visit{typ: v.Type(), ptr: v.Pointer()}
	if v.Kind() == reflect.Slice {
		at.len = v.Len()
	}
	for _, p := range w.path {
		if p == at {
			w.text("[cycle]")
			return false
		}
	}
	// Pointers don't count as depth, so a chain of them needs a bound of its own.
	if len(w.path) >= 4*w.r.maxDepth {
		w.raw(cut)
		return false
	}
	w.path = append(w.path, at)
	return true
}

func (w *walker) leave() { w.path = w.path[:len(w.path)-1] }
