// Package envoyfake plays a sidecar's Envoy 1.36 for tests: its admin interface (Envoy) and
// its process (Main).
//
// The interface answers what the real one answers, with its statuses and words: its state, its
// listeners once it is live, its version, the stats that a filter lets through, the drain and
// the quit, for which it wants a POST. A drain changes nothing here: what is in flight is what
// the test says. There is no xDS, and nobody listens on the public listener.
package envoyfake

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"meshtask/internal/testbed/eventually"
	"meshtask/internal/testbed/faulty"
)

// Envoy is the handler of an admin interface. Its fields are set before it serves.
type Envoy struct {
	faulty.Log
	State   string // LIVE, or PRE_INITIALIZING and no listener
	Version string
	Listen  string                // IP:PORT of the public listener
	Sent    func() []Listener     // what Consul has sent a gateway, asked at each call; nil: nothing
	Stats   func() map[string]any // asked at each call
	Quit    func()                // of /quitquitquit
}

// Listener is one that Consul has sent; Address "" is that it is not bound.
type Listener struct{ Name, Address string }

// New is one that is live, listens and has no request in flight.
func New() *Envoy {
	return &Envoy{State: "LIVE", Version: "1.35.8", Listen: "127.0.0.1:1", Quit: func() {},
		Stats: func() map[string]any { return map[string]any{"http.public_listener.downstream_rq_active": 0} }}
}

func (e *Envoy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if e.Take(w, r) {
		return
	}
	query := r.URL.Query()
	answer := func(status int, text string) { faulty.Answer(status, text+"\n").ServeHTTP(w, r) }
	document := func(value any) { _ = json.NewEncoder(w).Encode(value) }
	type object = map[string]any
	switch path := r.URL.Path; {
	case (path == "/drain_listeners" || path == "/quitquitquit") && r.Method != http.MethodPost:
		answer(http.StatusMethodNotAllowed, "Method "+r.Method+" not allowed, POST required.")
	case path == "/drain_listeners" && query.Has("skip_exit") && !query.Has("graceful"):
		answer(http.StatusBadRequest, "skip_exit requires graceful")
	case path == "/drain_listeners":
		answer(http.StatusOK, "OK")
	case path == "/quitquitquit":
		e.Quit()
		answer(http.StatusOK, "OK")
	case path == "/ready" && e.State != "LIVE":
		answer(http.StatusServiceUnavailable, e.State)
	case path == "/ready":
		answer(http.StatusOK, e.State)
	case path == "/server_info":
		document(object{"version": revision(e.Version), "state": e.State})
	case path == "/listeners" && e.State != "LIVE":
		document(object{})
	case path == "/listeners":
		var statuses []any
		for _, l := range append([]Listener{{"public_listener:" + e.Listen, e.Listen}}, e.sent()...) {
			if host, port, err := net.SplitHostPort(l.Address); err == nil {
				statuses = append(statuses, object{"name": l.Name, "local_address": object{"socket_address": object{"address": host, "port_value": json.Number(port)}}})
			}
		}
		document(object{"listener_statuses": statuses})
	case path == "/config_dump" && query.Get("resource") == "dynamic_listeners":
		var configs []any
		for _, l := range e.sent() {
			state := "active_state"
			if l.Address == "" {
				state = "warming_state"
			}
			configs = append(configs, object{"name": l.Name, state: object{"version_info": "1"}})
		}
		document(object{"configs": configs})
	case path == "/stats":
		filter, all := regexp.MustCompile(query.Get("filter")), []any{}
		for name, value := range e.Stats() {
			if filter.MatchString(name) {
				all = append(all, object{"name": name, "value": value})
			}
		}
		document(object{"stats": all})
	default:
		answer(http.StatusNotFound, "invalid path. admin commands are:")
	}
}

func (e *Envoy) sent() []Listener {
	if e.Sent == nil {
		return nil
	}
	return e.Sent()
}

func revision(version string) string {
	return "dc2d3098ae5641555f15c71d5bb5ce0060a8015c/" + version + "/Clean/RELEASE/BoringSSL"
}

// Main plays `envoy -c FILE`, and `envoy --version`, and returns the exit code. TERM and
// /quitquitquit end it with 0, but for what the words of script say:
//
//	listen=IP:PORT  the public listener is there
//	version=X       it is of another version
//	never           it stays PRE_INITIALIZING: xDS does not answer
//	ended           likewise, as Consul ends each stream
//	refused         likewise, and says that Consul refuses its version
//	hangs           it does not answer to a drain or a quit
//	noquit, noterm  a quit, a TERM does not end it
//	sent=FILE       once there is the file, it has a listener of an API gateway
//	until=FILE      it ends, with 0, once there is the file
//	dies=TEXT       it ends with 1 and quotes TEXT, as of a bad bootstrap
func Main(script string) int {
	e, end, term, refused := New(), make(chan struct{}, 8), make(chan os.Signal, 8), false
	quit := func() { end <- struct{}{} }
	e.Quit = quit
	signal.Notify(term, syscall.SIGTERM)
	for word := range strings.FieldsSeq(script) {
		switch name, value, _ := strings.Cut(word, "="); name {
		case "listen":
			e.Listen = value
		case "version":
			e.Version = value
		case "never":
			e.State = "PRE_INITIALIZING"
		case "ended":
			e.State = "PRE_INITIALIZING"
			e.Stats = func() map[string]any { return map[string]any{"cluster_manager.cds.update_failure": 2} }
		case "refused":
			e.State, refused = "PRE_INITIALIZING", true
		case "hangs":
			e.Fail("/drain_listeners", faulty.Fault{Hang: true})
			e.Fail("/quitquitquit", faulty.Fault{Hang: true})
		case "noquit":
			e.Quit = func() {}
		case "noterm":
			signal.Ignore(syscall.SIGTERM)
		case "sent":
			e.Sent = func() []Listener {
				if _, err := os.Stat(value); err != nil {
					return nil
				}
				return []Listener{{"http:127.0.0.1:8080", "127.0.0.1:8080"}}
			}
		case "until":
			go func() {
				if eventually.Within(eventually.Patience, func() bool { _, err := os.Stat(value); return err == nil }) {
					quit()
				}
			}()
		default: // dies, and what is not known
			fmt.Fprintf(os.Stderr, "[critical] main: error `%s` initializing config\n%[1]s\n", value)
			return 1
		}
	}
	if len(os.Args) == 2 && os.Args[1] == "--version" {
		fmt.Printf("\n%s  version: %s\n\n", os.Args[0], revision(e.Version))
		return 0
	}
	fmt.Fprintln(os.Stderr, "[warning] main: There is no configured limit to the number of allowed active downstream connections.")
	var doc struct {
		Admin struct {
			Address struct{ Pipe struct{ Path string } }
		}
	}
	text, _ := os.ReadFile(os.Args[slices.Index(os.Args, "-c")+1])
	_ = json.Unmarshal(text, &doc)
	l, err := net.Listen("unix", doc.Admin.Address.Pipe.Path)
	if err != nil {
		fmt.Fprintln(os.Stderr, "[critical] main:", err)
		return 1
	}
	go http.Serve(l, e)
	if refused {
		fmt.Fprintf(os.Stderr, "[warning] config: DeltaAggregatedResources gRPC config stream to local_agent closed: 3, Envoy %s is too old and is not supported by Consul{via_upstream}\n", e.Version)
	}
	select {
	case <-end:
	case <-term:
		fmt.Fprintln(os.Stderr, "[warning] main: caught ENVOY_SIGTERM")
	}
	return 0
}
