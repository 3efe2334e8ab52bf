package admin

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"portero/metrics"
)

// maxScrapes is how many scrapes run at once; more are answered 503. Two
// Prometheus servers and a curious person fit in.
const maxScrapes = 4

// routes returns the handler of all paths. GET in a pattern stands for HEAD
// too; with any other method the path answers 405.
func routes(o Options, f *feed, log *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /livez", livez(o.Live))
	mux.Handle("GET /healthz", livez(o.Live)) // its older name
	mux.Handle("GET /readyz", readyz(o.Ready))
	if o.Gatherer != nil {
		mux.Handle("GET /metrics", scrape(o.Gatherer, log))
	}
	addPage(mux, &o, f)
	if o.Failovers != nil {
		mux.Handle("GET /failovers", failovers(o.Failovers))
	}
	if o.Diff != nil {
		mux.Handle("GET /diff", diff(o.Diff))
	}
	if o.Explain != nil {
		mux.Handle("GET /explain", explain(o.Explain))
	}
	if o.AcceptTimeline != nil {
		mux.Handle("POST /accept-timeline", http.NewCrossOriginProtection().Handler(acceptTimeline(o.AcceptTimeline)))
	}
	return guarded(mux)
}

// failovers answers with the last failovers as JSON, the newest first.
func failovers(last func() []metrics.FailoverState) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		out := json.NewEncoder(w)
		out.SetIndent("", "  ")
		_ = out.Encode(last()) // a reader that is gone is no fault of ours
	}
}

// diff answers with what a reload would change, or with why it would fail.
func diff(find func() (string, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		lines, err := find()
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		if err != nil {
			w.WriteHeader(http.StatusUnprocessableEntity)
			lines = err.Error() + "\n"
		}
		io.WriteString(w, lines) //nolint:errcheck // a reader that is gone is no fault of ours
	}
}

// guarded sets the headers that hold for every answer: nothing is kept, nothing
// is loaded from elsewhere or framed.
func guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", pagePolicy)
		next.ServeHTTP(w, r)
	})
}

// livez answers at once, as who asks may not wait for longer than a second. It knows nothing
// of databases: a restart of Portero would bring none of them back.
func livez(live func() error) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if live != nil {
			if err := live(); err != nil {
				plain(w, http.StatusServiceUnavailable, err.Error())
				return
			}
		}
		plain(w, http.StatusOK, "ok")
	}
}

// plain answers with lines of text. A line break within a line becomes a space.
func plain(w http.ResponseWriter, code int, lines ...string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	for _, line := range lines {
		fmt.Fprintln(w, strings.Join(strings.Fields(line), " "))
	}
}

// scrape answers with what can be gathered, even if some of it cannot: in an
// incident half of the metrics are worth more than none.
func scrape(g prometheus.Gatherer, log *slog.Logger) http.Handler {
	return promhttp.HandlerFor(g, promhttp.HandlerOpts{
		ErrorLog:            slog.NewLogLogger(log.Handler(), slog.LevelError),
		ErrorHandling:       promhttp.ContinueOnError,
		MaxRequestsInFlight: maxScrapes,
	})
}
