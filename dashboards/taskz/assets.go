package taskz

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"
)

//go:embed assets
var files embed.FS

// asset is a file with what is sent along with it.
type asset struct {
	data []byte
	typ  string
	tag  string // ETag
}

// assets are there from the start: a file of a type that we don't know is a mistake
// that shows at once.
var assets = func() map[string]asset {
	// Not mime.TypeByExtension, which asks the machine.
	types := map[string]string{
		".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8",
		".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
	}
	found := map[string]asset{}
	entries, err := files.ReadDir("assets")
	if err != nil {
		panic(err)
	}
	for _, e := range entries {
		data, err := files.ReadFile("assets/" + e.Name())
		typ := types[path.Ext(e.Name())]
		if err != nil || typ == "" {
			panic("taskz: unusable asset " + e.Name())
		}
		sum := sha256.Sum256(data)
		found[e.Name()] = asset{data, typ, `"` + hex.EncodeToString(sum[:16]) + `"`}
	}
	return found
}()

const pageFile = "index.html"

func getPage(w http.ResponseWriter, r *http.Request) { assets[pageFile].serve(w, r) }

func getAsset(w http.ResponseWriter, r *http.Request) {
	if !allowed(w, r, http.MethodGet) {
		return
	}
	a, ok := assets[r.PathValue("name")]
	if !ok || strings.HasSuffix(r.PathValue("name"), ".html") {
		fail(w, http.StatusNotFound, "there is nothing at this path")
		return
	}
	a.serve(w, r)
}

// serve has browsers ask each time whether their copy is the current one: after a
// deployment, an old script would not fit the new state.
func (a asset) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", a.typ)
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("ETag", a.tag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(a.data))
}

// openOnPage sends a browser that was given the address of an item to the page, which
// opens it.
func openOnPage(kind string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if kind == "" {
			redirect(w, "./#tab=durable")
			return
		}
		redirect(w, "../#open="+url.QueryEscape(kind+":"+r.PathValue("id")))
	}
}
