package admin

import (
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"net/url"

	"portero/proxy"
)

// explain answers with what a client would get, as JSON, or with what is wrong with the
// question. The rules, and which users have which kind of secret, are nobody's business on the
// network, and there is no login: so it answers those of this host alone.
func explain(find func(proxy.Newcomer) (proxy.Explanation, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !ofThisHost(r) {
			plain(w, http.StatusForbidden, "this is told on its own host only: run portero explain where this Portero runs")
			return
		}
		found, err := find(newcomerOf(r.URL.Query()))
		if err != nil {
			plain(w, http.StatusBadRequest, err.Error())
			return
		}
		w.Header().Set("Content-Type", "application/json")
		out := json.NewEncoder(w)
		out.SetIndent("", "  ")
		_ = out.Encode(found) // a reader that is gone is no fault of ours
	}
}

// ofThisHost reports whether a request comes from the host itself: by loopback, or, where the
// address is another, from that same address, which no other host can have.
func ofThisHost(r *http.Request) bool {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return false
	}
	if from.Addr().Unmap().IsLoopback() {
		return true
	}
	at, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	return ok && at.AddrPort().Addr().Unmap() == from.Addr().Unmap()
}

func newcomerOf(v url.Values) proxy.Newcomer {
	return proxy.Newcomer{
		Database: v.Get("database"), User: v.Get("user"), From: v.Get("from"),
		Listener: v.Get("listener"), TLS: v.Get("tls"), Application: v.Get("application_name"), Replication: v.Get("replication"),
	}
}
