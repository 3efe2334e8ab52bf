package admin

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
)

// ErrUnknown is what Options.AcceptTimeline returns for a cluster or a group that is
// not known.
var ErrUnknown = errors.New("no such cluster or group")

// acceptTimeline is the one way in which the HTTP side changes anything: an operator
// decides which data is right. All is in the address, so that no body is read; pages
// of other origins are kept from asking for it in a browser's name.
func acceptTimeline(accept func(cluster string, group int, timeline int64) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		cluster, group, timeline, err := asked(r.URL.Query())
		if err != nil {
			plain(w, http.StatusBadRequest, err.Error())
			return
		}
		switch err := accept(cluster, group, timeline); {
		case errors.Is(err, ErrUnknown):
			plain(w, http.StatusNotFound, err.Error())
		case err != nil:
			plain(w, http.StatusConflict, err.Error())
		default:
			plain(w, http.StatusOK, "accepted")
		}
	}
}

var errAsked = errors.New("want cluster=NAME, group=NUMBER and timeline=NUMBER, each once")

// asked reads the parameters: each must be there, so that nothing is decided by default.
func asked(q url.Values) (cluster string, group int, timeline int64, err error) {
	for _, name := range []string{"cluster", "group", "timeline"} {
		if len(q[name]) != 1 {
			return "", 0, 0, errAsked
		}
	}
	group, err = strconv.Atoi(q.Get("group"))
	if err == nil {
		timeline, err = strconv.ParseInt(q.Get("timeline"), 10, 64)
	}
	if err != nil || len(q) != 3 {
		return "", 0, 0, errAsked
	}
	return q.Get("cluster"), group, timeline, nil
}
