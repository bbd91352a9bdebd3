package render

import (
	"cmp"
	"encoding"
	"reflect"
	"slices"
	"strconv"
)

// maxScan bounds the keys of a map that are sorted. Of a larger one, only the
// size is shown: taking any keys would show others each time.
const maxScan = 4096

// basic are the types that need no look at their methods.
var basic = func() (t [reflect.UnsafePointer + 1]reflect.Type) {
	for _, v := range []any{
		false, 0, int8(0), int16(0), int32(0), int64(0),
		uint(0), uint8(0), uint16(0), uint32(0), uint64(0), float32(0), float64(0), "",
	} {
		t[reflect.TypeOf(v).Kind()] = reflect.TypeOf(v)
	}
	return t
}()

// value writes v, whatever it is.
func (w *walker) value(v reflect.Value, depth int) {
	if w.steps--; w.steps < 0 {
		w.raw(cut)
		return
	}
	switch v.Kind() {
	case reflect.Invalid:
		w.raw("null")
		return
	case reflect.Interface, reflect.Pointer, reflect.Map, reflect.Slice, reflect.Func, reflect.Chan:
		if v.IsNil() {
			w.raw("null")
			return
		}
	}
	if v.Kind() == reflect.Interface {
		w.value(v.Elem(), depth)
		return
	}
	t := v.Type()
	if t == basic[v.Kind()] {
		w.byKind(v, nil, depth)
		return
	}
	info := w.r.info(t)
	switch {
	case info.how == asKind:
		w.byKind(v, info, depth)
	case v.CanInterface():
		w.special(v, info, depth)
	default:
		w.text(info.name) // its method may be what hides it, and can't be called
	}
}

// byKind writes v as its kind has it. info is nil for basic types.
func (w *walker) byKind(v reflect.Value, info *typeInfo, depth int) {
	start := len(w.buf)
	switch v.Kind() {
	case reflect.String:
		w.text(v.String())
	case reflect.Bool:
		w.buf = strconv.AppendBool(w.buf, v.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		w.buf = strconv.AppendInt(w.buf, v.Int(), 10)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		w.buf = strconv.AppendUint(w.buf, v.Uint(), 10)
	case reflect.Float32, reflect.Float64:
		w.buf = appendFloat(w.buf, v.Float(), v.Type().Bits())
	case reflect.Complex64, reflect.Complex128:
		w.text(strconv.FormatComplex(v.Complex(), 'g', -1, v.Type().Bits()))
	case reflect.Pointer:
		w.pointer(v, depth)
	case reflect.Struct:
		w.structure(v, info, depth)
	case reflect.Map:
		w.mapping(v, depth)
	case reflect.Slice, reflect.Array:
		w.list(v, depth)
	default: // functions, channels, unsafe pointers
		w.text(info.name)
	}
	w.scalar(start)
}

func (w *walker) pointer(v reflect.Value, depth int) {
	elem := v.Type().Elem()
	if elem.Kind() != reflect.Interface && w.r.info(elem).how == asOpaque {
		w.text(typeName(v.Type()))
		return
	}
	if w.enter(v) {
		w.value(v.Elem(), depth)
		w.leave()
	}
}

func (w *walker) structure(v reflect.Value, info *typeInfo, depth int) {
	if info.hidden {
		w.text(info.name)
		return
	}
	if !w.begin('{', depth) {
		return
	}
	missing := 0
	for i := range info.fields {
		f := &info.fields[i]
		fv, ok := f.of(v)
		if !ok {
			continue
		}
		if !w.quotedKey(f.key) {
			missing = len(info.fields) - i
			break
		}
		switch {
		case f.masked:
			w.raw(`"` + Redacted + `"`)
		case f.basic && w.steps > 0: // the short way of value
			w.steps--
			w.byKind(fv, nil, depth+1)
		default:
			w.value(fv, depth+1)
		}
	}
	w.end('}', missing)
}

func (w *walker) list(v reflect.Value, depth int) {
	n := v.Len()
	if v.Type().Elem().Kind() == reflect.Uint8 {
		w.text("[" + strconv.Itoa(n) + " bytes]")
		return
	}
	slice := v.Kind() == reflect.Slice && n > 0
	if slice && !w.enter(v) {
		return
	}
	if w.begin('[', depth) {
		i := 0
		for ; i < min(n, w.r.maxItems) && w.element(); i++ {
			w.value(v.Index(i), depth+1)
		}
		w.end(']', n-i)
	}
	if slice {
		w.leave()
	}
}

type entry struct {
	key string
	val reflect.Value
}

func (w *walker) mapping(v reflect.Value, depth int) {
	if !w.enter(v) {
		return
	}
	if w.begin('{', depth) {
		base := len(w.entries)
		n := v.Len()
		if n <= maxScan {
			w.collect(v)
		}
		written := w.fields(base, depth)
		w.entries = w.entries[:base]
		w.end('}', n-written)
	}
	w.leave()
}

// collect appends the entries of the map v to w.entries, sorted by key.
func (w *walker) collect(v reflect.Value) {
	base := len(w.entries)
	for it := v.MapRange(); it.Next(); {
		w.entries = append(w.entries, entry{keyText(it.Key()), it.Value()})
	}
	slices.SortFunc(w.entries[base:], func(a, b entry) int { return cmp.Compare(a.key, b.key) })
}

// fields writes the entries from base on and returns how many it has written.
func (w *walker) fields(base, depth int) int {
	n := min(len(w.entries)-base, w.r.maxItems)
	prev, same := "", 1
	for i := range n {
		// By index: the walk of a value may grow w.entries.
		e := w.entries[base+i]
		name := clip(e.key)
		// Keys that differ can look the same: 1 and "1" in a map[any]int, or two long ones.
		if same++; i == 0 || name != prev {
			same = 1
		}
		prev = name
		if same > 1 {
			name += "#" + strconv.Itoa(same)
		}
		if !w.key(name) {
			return i
		}
		if w.r.names.match(e.key) {
			w.raw(`"` + Redacted + `"`)
			continue
		}
		w.value(e.val, depth+1)
	}
	return n
}

// keyText returns the text of a map's key. Kinds that encoding/json refuses are
// named by type only: a struct as a key could hold a secret.
func keyText(k reflect.Value) string {
	if k.Kind() == reflect.Interface {
		k = k.Elem()
	}
	if k.Kind() == reflect.String {
		return k.String()
	}
	if k.IsValid() && k.CanInterface() {
		if m, ok := k.Interface().(encoding.TextMarshaler); ok {
			s, _ := marshalText(m)
			return s
		}
	}
	switch k.Kind() {
	case reflect.Invalid:
		return "null"
	case reflect.Bool:
		return strconv.FormatBool(k.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return strconv.FormatInt(k.Int(), 10)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return strconv.FormatUint(k.Uint(), 10)
	case reflect.Float32, reflect.Float64:
		return strconv.FormatFloat(k.Float(), 'g', -1, k.Type().Bits())
	}
	return typeName(k.Type())
}
