package admin

import (
	"encoding/json"
	"net/http"
	"net/url"

	"portero/proxy"
)

// explain answers with what a client would get, as JSON, or with what is wrong with the
// question.
func explain(find func(proxy.Question) (proxy.Explanation, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		found, err := find(questionOf(r.URL.Query()))
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

func questionOf(v url.Values) proxy.Question {
	return proxy.Question{
		Database: v.Get("database"), User: v.Get("user"), From: v.Get("from"),
		Listener: v.Get("listener"), TLS: v.Get("tls"), Application: v.Get("application_name"),
	}
}
