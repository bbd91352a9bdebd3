package render

import (
	"reflect"
	"slices"
	"strings"
)

// typeInfo is what the walker knows of a type, computed once.
type typeInfo struct {
	how    how
	viaPtr bool    // the method that how names has a pointer receiver
	hidden bool    // a struct whose fields are all unexported: its name says more than {}
	name   string  // "(net/http.Request)"
	fields []field // of a struct that is shown field by field
}

// field is one field of a struct, or of a struct embedded in it.
type field struct {
	key    string // quoted, with its colon
	index  []int
	masked bool
	basic  bool   // its type has nothing but its kind to go by
	name   string // what dominance is decided on
	tagged bool   // the name is from a json tag
}

// of returns the field's value in v, and false if it is in an embedded struct that is nil.
func (f *field) of(v reflect.Value) (reflect.Value, bool) {
	for i, x := range f.index {
		if i > 0 && v.Kind() == reflect.Pointer {
			if v.IsNil() {
				return v, false
			}
			v = v.Elem()
		}
		v = v.Field(x)
	}
	return v, true
}

func (r *Renderer) info(t reflect.Type) *typeInfo {
	if in, ok := r.types.Load(t); ok {
		return in.(*typeInfo)
	}
	in := &typeInfo{name: typeName(t)}
	in.how, in.viaPtr = classify(t)
	if in.how == asKind && t.Kind() == reflect.Struct {
		var omitted bool
		in.fields, omitted = r.plan(t)
		in.hidden = len(in.fields) == 0 && !omitted && t.NumField() > 0
	}
	actual, _ := r.types.LoadOrStore(t, in)
	return actual.(*typeInfo)
}

// level is a struct type whose fields are collected, and the way to it.
type level struct {
	typ   reflect.Type
	index []int
}

// plan lists the fields of t by the rules of encoding/json: those of embedded
// structs as if they were t's own, the shallowest of a name winning, then the
// tagged one; if that leaves more than one, none. omitted tells that a field
// was left out by its tag.
func (r *Renderer) plan(t reflect.Type) (fields []field, omitted bool) {
	seen := map[reflect.Type]bool{t: true}
	taken := map[string]bool{}
	for now := []level{{typ: t}}; len(now) > 0; {
		var next []level
		var found []field
		for _, l := range now {
			for i := range l.typ.NumField() {
				sf := l.typ.Field(i)
				f, embedded, ok := r.field(sf)
				switch f.index = append(slices.Clone(l.index), i); {
				case embedded != nil:
					next = append(next, level{embedded, f.index})
				case ok:
					found = append(found, f)
				case sf.IsExported():
					omitted = true
				}
			}
		}
		fields = append(fields, dominant(found, taken)...)
		// The same struct embedded twice at one depth: both copies count, so that
		// they cancel out; one that was seen at a lesser depth is hidden by it.
		next = slices.DeleteFunc(next, func(l level) bool { return seen[l.typ] })
		for _, l := range next {
			seen[l.typ] = true
		}
		now = next
	}
	slices.SortFunc(fields, func(a, b field) int { return slices.Compare(a.index, b.index) })
	return fields, omitted
}

// field plans one field. It returns a struct type instead if the field is
// embedded and its fields count as its parent's; ok is false for a field that isn't shown.
func (r *Renderer) field(sf reflect.StructField) (f field, embedded reflect.Type, ok bool) {
	tag, _, _ := strings.Cut(sf.Tag.Get("json"), ",")
	logTag := logTagOf(sf)
	if sf.Tag.Get("json") == "-" || logTag == "-" {
		return f, nil, false
	}
	f = field{name: sf.Name, tagged: tag != ""}
	if tag != "" {
		f.name = tag
	}
	f.masked = logTag == "secret" || r.names.match(sf.Name) || r.names.match(f.name)
	if sf.Anonymous && tag == "" && !f.masked {
		st := sf.Type
		if st.Kind() == reflect.Pointer {
			st = st.Elem()
		}
		// A type with a way of its own to be shown must be asked, not taken apart.
		if st.Kind() == reflect.Struct {
			if how, _ := classify(st); how == asKind {
				return f, st, false
			}
		}
	}
	f.basic = sf.Type == basic[sf.Type.Kind()]
	f.key = string(appendQuoted(nil, clip(f.name), 8*maxKey)) + ":"
	return f, nil, sf.IsExported()
}

// dominant returns those of the fields of one depth that are shown.
func dominant(found []field, taken map[string]bool) []field {
	var out []field
	byName := map[string][]field{}
	for _, f := range found {
		byName[f.name] = append(byName[f.name], f)
	}
	for name, fs := range byName {
		if taken[name] {
			continue
		}
		taken[name] = true
		if len(fs) > 1 {
			fs = slices.DeleteFunc(fs, func(f field) bool { return !f.tagged })
		}
		if len(fs) == 1 {
			out = append(out, fs[0])
		}
	}
	return out
}

// logTagOf returns the field's log tag: "-", "secret" or nothing we know. It is
// lenient with case and space: a tag that was meant to hide must hide.
func logTagOf(sf reflect.StructField) string {
	tag, _, _ := strings.Cut(sf.Tag.Get("log"), ",")
	return strings.ToLower(strings.TrimSpace(tag))
}

// hasLogTags reports whether t, or a type that it is built of, has a field with a log tag.
func hasLogTags(t reflect.Type, seen map[reflect.Type]bool) bool {
	if seen[t] {
		return false
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array:
		return hasLogTags(t.Elem(), seen)
	case reflect.Map:
		return hasLogTags(t.Key(), seen) || hasLogTags(t.Elem(), seen)
	case reflect.Struct:
		for i := range t.NumField() {
			sf := t.Field(i)
			if tag := logTagOf(sf); tag == "-" || tag == "secret" || hasLogTags(sf.Type, seen) {
				return true
			}
		}
	}
	return false
}

func typeName(t reflect.Type) string {
	name := t.String()
	if len(name) > maxTypeOf {
		name = name[:maxTypeOf] + ellipsis
	}
	return "(" + name + ")"
}
