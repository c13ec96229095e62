// Command app is the small service that the real-part tests, the demo and the
// soak put behind meshtask. It knows nothing of the mesh.
//
//	/            "hello from NAME"
//	/healthz     200, or 503 after /sick; /health likewise, as the examples of deploy/ ask
//	/slow?ms=N   answers after N milliseconds, or at once when its caller has gone
//	/call?n=URL  calls URL (default --upstream) and answers with its status and body
//	/env?name=N  the value of environment variable N
//	/inflight    how many /slow are under way
//	/sick /well  turn /healthz
//	/exit?code=N ends the process
//
// With --tcp it echoes lines instead of HTTP, each with its name before it.
//
// With an argument that is no flag it ends at once with 0, as a check or a migration of a user may.
//
// By the name fake-service it takes that program's variables instead of flags: NAME, LISTEN_ADDR
// and UPSTREAM_URIS; consul-ecs's examples run it.
package main

import (
	"bufio"
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"
)

type app struct {
	name, upstream string
	sick           atomic.Bool
	inFlight       atomic.Int64
	client         *http.Client
}

func main() {
	os.Exit(run())
}

func run() int {
	name := flag.String("name", "app", "said in every answer")
	listen := flag.String("listen", "127.0.0.1:8080", "address; empty: serve nothing")
	onTerm := flag.String("term", "finish", "finish: serve what is in flight, exit 0 | exit: die at once, 0 | ignore: live on")
	slowStart := flag.Duration("slow-start", 0, "wait before listening")
	upstream := flag.String("upstream", "", "URL that /call calls")
	tcp := flag.Bool("tcp", false, "echo lines instead of HTTP")
	get := flag.String("get", "", "serve nothing: print what this URL answers, exit 0 for a 200")
	life := flag.Duration("life", 0, "end by itself after this time with --code; 0: never")
	code := flag.Int("code", 0, "exit code of the end by itself")
	flag.Parse()
	if filepath.Base(os.Args[0]) == "fake-service" {
		*name, *listen, *upstream = os.Getenv("NAME"), cmp.Or(os.Getenv("LISTEN_ADDR"), "0.0.0.0:9090"), os.Getenv("UPSTREAM_URIS")
	}
	if flag.NArg() > 0 {
		fmt.Println(flag.Args())
		return 0
	}
	if *get != "" {
		return fetch(*get)
	}

	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	var end <-chan time.Time
	if *life > 0 {
		end = time.After(*life)
	}
	select {
	case <-time.After(*slowStart):
	case <-signals:
		return 0
	}
	a := &app{name: *name, upstream: *upstream, client: &http.Client{Transport: &http.Transport{}, Timeout: 10 * time.Second}}
	stop, err := a.serve(*listen, *tcp)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Printf("%s serves on %s, pid %d\n", *name, *listen, os.Getpid())
	for {
		select {
		case <-end:
			return *code
		case sig := <-signals:
			fmt.Printf("%s got %v\n", *name, sig)
			switch {
			case sig == syscall.SIGHUP || *onTerm == "ignore":
			case *onTerm == "exit":
				return 0
			default:
				stop()
				return 0
			}
		}
	}
}

// fetch is the app as a job: it calls its upstream once.
func fetch(url string) int {
	client := &http.Client{Timeout: 10 * time.Second}
	answer, err := client.Get(url)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer answer.Body.Close()
	_, _ = io.Copy(os.Stdout, io.LimitReader(answer.Body, 1<<16))
	if answer.StatusCode != http.StatusOK {
		return 1
	}
	return 0
}

// serve begins to listen; stop lets what is in flight finish.
func (a *app) serve(listen string, tcp bool) (stop func(), err error) {
	if listen == "" {
		return func() {}, nil
	}
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return nil, err
	}
	if tcp {
		go a.echo(l)
		return func() { _ = l.Close() }, nil
	}
	server := &http.Server{Handler: a.routes(), ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(l) }()
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		_ = server.Shutdown(ctx)
	}, nil
}

func (a *app) echo(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			for lines := bufio.NewScanner(conn); lines.Scan(); {
				if _, err := fmt.Fprintf(conn, "%s: %s\n", a.name, lines.Text()); err != nil {
					return
				}
			}
		}()
	}
}

func (a *app) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		fmt.Fprintf(w, "hello from %s\n", a.name)
	})
	for _, path := range []string{"/healthz", "/health"} {
		mux.HandleFunc(path, a.health)
	}
	mux.HandleFunc("/sick", func(http.ResponseWriter, *http.Request) { a.sick.Store(true) })
	mux.HandleFunc("/well", func(http.ResponseWriter, *http.Request) { a.sick.Store(false) })
	mux.HandleFunc("/env", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, os.Getenv(r.FormValue("name"))) })
	mux.HandleFunc("/slow", a.slow)
	mux.HandleFunc("/inflight", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, a.inFlight.Load()) })
	mux.HandleFunc("/call", a.call)
	mux.HandleFunc("/exit", func(_ http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.FormValue("code"))
		os.Exit(n)
	})
	return mux
}

func (a *app) slow(w http.ResponseWriter, r *http.Request) {
	ms, err := strconv.Atoi(r.FormValue("ms"))
	if err != nil {
		http.Error(w, "ms: "+err.Error(), http.StatusBadRequest)
		return
	}
	a.inFlight.Add(1)
	defer a.inFlight.Add(-1)
	select {
	case <-time.After(time.Duration(ms) * time.Millisecond):
		fmt.Fprintf(w, "slow hello from %s\n", a.name)
	case <-r.Context().Done():
	}
}

func (a *app) call(w http.ResponseWriter, r *http.Request) {
	url := a.upstream
	if n := r.FormValue("n"); n != "" {
		url = n
	}
	req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, url, nil)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answer, err := a.client.Do(req)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer answer.Body.Close()
	w.WriteHeader(answer.StatusCode)
	_, _ = io.Copy(w, io.LimitReader(answer.Body, 1<<20))
}

func (a *app) health(w http.ResponseWriter, _ *http.Request) {
	if a.sick.Load() {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
}
