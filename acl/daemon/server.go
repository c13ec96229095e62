package daemon

import (
	"fmt"
	"net/http"
	"time"

	"meshtask/acl"
	"meshtask/internal/httplimit"
)

// server answers /metrics and /health. Until ready is closed there is no
// controller to ask.
func (d *Daemon) server(ready <-chan struct{}) *http.Server {
	unit := func(w http.ResponseWriter) *acl.Controller {
		select {
		case <-ready:
			return d.unit
		default:
			http.Error(w, "starting", http.StatusServiceUnavailable)
			return nil
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
		if unit(w) != nil {
			d.metrics.ServeHTTP(w, r)
		}
	})
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		u := unit(w)
		if u == nil {
			return
		}
		ok, what := u.Health(time.Now())
		if !ok {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		fmt.Fprintln(w, what)
	})
	return httplimit.Server(mux)
}
