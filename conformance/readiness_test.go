package conformance

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
)

func readinessCases() []kase {
	never := func(ready string) string { return fmt.Sprintf(`{"app":{"ready":{%s,"timeout":"300ms"}}}`, ready) }
	return []kase{
		{name: "ready by tcp", own: true, run: func(b *bed) {
			port := freePort(b)
			var ln net.Listener
			b.becomesReady(fmt.Sprintf(`"tcp":"127.0.0.1:%d"`, port), func() {
				var err error
				if ln, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err != nil {
					b.Fatal(err)
				}
				b.Cleanup(func() { ln.Close() })
			})
		}},
		{name: "ready by http", own: true, run: func(b *bed) {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			var up atomic.Bool
			srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if !up.Load() {
					w.WriteHeader(http.StatusServiceUnavailable)
				}
			})}
			go func() { _ = srv.Serve(ln) }()
			b.Cleanup(func() { srv.Close() })
			b.becomesReady(fmt.Sprintf(`"http":"http://%s/"`, ln.Addr()), func() { up.Store(true) })
		}},
		{name: "ready by exec", own: true, run: func(b *bed) {
			file := filepath.Join(b.TempDir(), "up")
			b.becomesReady(fmt.Sprintf(`"exec":["test","-e",%q]`, file), func() {
				if err := os.WriteFile(file, nil, 0o644); err != nil {
					b.Fatal(err)
				}
			})
		}},
		{name: "ready when it is started", own: true, run: func(b *bed) {
			dir := b.TempDir()
			l := b.start(how{flags: []string{"--dir", dir}, config: `{"app":{"ready":"started"}}`}, sh(`trap 'exit 0' TERM; echo up; while :; do sleep 0.02; done`))
			l.see("up")
			b.eventually("ready", func() bool { return isReady(dir) })
			l.signal(syscall.SIGTERM)
			l.ends(0)
		}},
		{name: "ready by fd", own: true, run: func(b *bed) { b.becomesReady(`"fd":3`, nil) }},
		{name: "never ready is 205", own: true, run: func(b *bed) {
			for _, ready := range []string{fmt.Sprintf(`"tcp":"127.0.0.1:%d"`, freePort(b)), fmt.Sprintf(`"http":"http://127.0.0.1:%d/"`, freePort(b)), `"exec":["false"]`, `"fd":3`} {
				l := b.start(how{config: never(ready)}, sh(`trap 'echo stopped; exit 0' TERM; while :; do sleep 0.02; done`))
				l.ends(205)
				l.see("stopped")
				b.eventually("it says why", func() bool { return strings.Contains(l.err.String(), "not ready after 300ms") })
			}
		}},
	}
}

// becomesReady has the app run unready until up is called; nil: until it gets USR1, when
// it says so on descriptor 3.
func (b *bed) becomesReady(ready string, up func()) {
	b.Helper()
	dir := b.TempDir()
	l := b.start(how{flags: []string{"--dir", dir}, config: `{"app":{"ready":{` + ready + `}}}`},
		sh(`trap 'echo >&3' USR1; trap 'exit 0' TERM; echo up; while :; do sleep 0.02; done`))
	l.see("up")
	if isReady(dir) {
		b.Fatal("it is ready before it is")
	}
	if up == nil {
		up = func() { l.signal(syscall.SIGUSR1) }
	}
	up()
	b.eventually("ready", func() bool { return isReady(dir) })
	l.signal(syscall.SIGTERM)
	l.ends(0)
}

// isReady reads the timeline in a state directory.
func isReady(dir string) bool {
	text, _ := os.ReadFile(filepath.Join(dir, "timeline.jsonl"))
	return strings.Contains(string(text), `"unit":"app","event":"ready"`)
}

// freePort is one that nobody listens on; another process may take it, in theory.
func freePort(b *bed) int {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port
}
