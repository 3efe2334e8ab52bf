package admin

import (
	"bytes"
	"embed"
	"io/fs"
	"net/http"
	"path"
	"time"
)

// The status page: as it is served, without a build step.
//
//go:embed page
var pageFiles embed.FS

// pagePolicy has a browser load and ask nothing but what we serve, run nothing that stands in
// the page itself, and frame nothing.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// addPage adds the status page and what it asks for.
func addPage(mux *http.ServeMux, o *Options, f *feed) {
	turns := make(chan struct{}, maxListings)
	if o.Clients != nil {
		mux.Handle("GET /clients", listed(turns, clientsListed(o.Clients)))
	}
	if o.Servers != nil {
		mux.Handle("GET /servers", listed(turns, serversListed(o.Servers)))
	}
	if o.Snapshot == nil {
		return
	}
	files, err := fs.Sub(pageFiles, "page")
	if err != nil {
		panic(err) // of a fixed name
	}
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { servePage(w, r, files, "page.html") })
	mux.HandleFunc("GET /page/{file}", func(w http.ResponseWriter, r *http.Request) { servePage(w, r, files, r.PathValue("file")) })
	mux.Handle("GET /state", currentState(f))
	mux.Handle("GET /events", events(f))
}

// pageTypes do not depend on what the machine knows of types.
var pageTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
}

func servePage(w http.ResponseWriter, r *http.Request, files fs.FS, name string) {
	text, err := fs.ReadFile(files, name)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", pageTypes[path.Ext(name)])
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(text))
}
