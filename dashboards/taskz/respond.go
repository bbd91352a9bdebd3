package taskz

import (
	"net/http"
	"path"
	"strings"
)

// errorJSON is the body of every answer that is an error.
type errorJSON struct {
	Error struct {
		Status  int    `json:"status"`
		Message string `json:"message"`
	} `json:"error"`
}

func fail(w http.ResponseWriter, code int, message string) {
	var e errorJSON
	e.Error.Status, e.Error.Message = code, cut(message, maxMessage)
	writeJSON(w, code, e)
}

// maxMessage bounds the text of an error, which may be an engine's.
const maxMessage = 1 << 10

func writeJSON(w http.ResponseWriter, code int, v any) { writeBody(w, code, encode(v)) }

func writeBody(w http.ResponseWriter, code int, data []byte) {
	w.Header().Set("Content-Type", typeJSON)
	w.WriteHeader(code)
	_, _ = w.Write(data) // the client is gone: nobody is left to be told
}

// redirect sends the client elsewhere, relative to where it is. http.Redirect would make
// that absolute, and does not know what prefix was stripped.
func redirect(w http.ResponseWriter, location string) {
	w.Header().Set("Location", location)
	w.WriteHeader(http.StatusSeeOther)
}

// lastSegment is the end of the path as the client sees it.
func lastSegment(r *http.Request) string {
	p, _, _ := strings.Cut(r.RequestURI, "?")
	return "./" + path.Base(p) // "./" keeps "a:b" from being a URL
}
