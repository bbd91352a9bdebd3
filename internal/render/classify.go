package render

import (
	"context"
	"encoding"
	"encoding/json"
	"io"
	"log/slog"
	"net/url"
	"reflect"
	"strings"
	"time"
)

// how is the rule by which the values of a type are shown.
type how uint8

const (
	asKind how = iota // by reflection
	asLogValuer
	asTime
	asDuration
	asURL
	asNumber // json.Number
	asValue  // slog.Value
	asAttr   // slog.Attr
	asAttrs  // []slog.Attr
	asOpaque // its type's name only
	asError
	asMarshaler // json.Marshaler
	asText      // encoding.TextMarshaler
)

var wellKnown = map[reflect.Type]how{
	reflect.TypeFor[time.Time]():     asTime,
	reflect.TypeFor[time.Duration](): asDuration,
	reflect.TypeFor[url.URL]():       asURL,
	reflect.TypeFor[json.Number]():   asNumber,
	reflect.TypeFor[slog.Value]():    asValue,
	reflect.TypeFor[slog.Attr]():     asAttr,
	reflect.TypeFor[[]slog.Attr]():   asAttrs,
}

var (
	logValuerType = reflect.TypeFor[slog.LogValuer]()
	errorType     = reflect.TypeFor[error]()
	marshalerType = reflect.TypeFor[json.Marshaler]()
	textType      = reflect.TypeFor[encoding.TextMarshaler]()
)

// opaqueTypes are interfaces whose values are alive: walking them would print
// the innards of servers, files and buffers.
var opaqueTypes = []reflect.Type{
	reflect.TypeFor[context.Context](),
	reflect.TypeFor[io.Reader](),
	reflect.TypeFor[io.Writer](),
	// http.ResponseWriter, by the method that nothing else has.
	reflect.TypeFor[interface{ WriteHeader(statusCode int) }](),
}

// classify finds the rule for t. viaPtr tells that only *t has the method for it.
func classify(t reflect.Type) (h how, viaPtr bool) {
	if t.Kind() == reflect.Interface || t.Kind() == reflect.Pointer {
		return asKind, false // what they lead to is classified
	}
	if h, ok := wellKnown[t]; ok {
		return h, false
	}
	if ok, viaPtr := implements(t, logValuerType); ok {
		return asLogValuer, viaPtr
	}
	if isOpaque(t) {
		return asOpaque, false
	}
	if ok, viaPtr := implements(t, errorType); ok {
		return asError, viaPtr
	}
	// A marshaler knows nothing of log tags, its own nor those of what it holds,
	// and its output doesn't tell which value came from which field.
	if hasLogTags(t, map[reflect.Type]bool{}) {
		return asKind, false
	}
	if ok, viaPtr := implements(t, marshalerType); ok {
		return asMarshaler, viaPtr
	}
	if ok, viaPtr := implements(t, textType); ok {
		return asText, viaPtr
	}
	return asKind, false
}

func implements(t, iface reflect.Type) (ok, viaPtr bool) {
	if t.Implements(iface) {
		return true, false
	}
	return reflect.PointerTo(t).Implements(iface), true
}

func isOpaque(t reflect.Type) bool {
	for _, iface := range opaqueTypes {
		if ok, _ := implements(t, iface); ok {
			return true
		}
	}
	// By path, so that a renderer does not link net/http into who doesn't use it.
	// Its structs are requests, servers and cookies; http.Header is a map, and walked.
	// Keys and certificates of crypto have exported fields (rsa.PrivateKey.D).
	pkg := t.PkgPath()
	return t.Kind() == reflect.Struct &&
		(pkg == "net/http" || strings.HasPrefix(pkg, "crypto/"))
}
