package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"meshtask/e2e/harness"
)

// consulTap is a proxy in front of a Consul server that counts the calls.
type consulTap struct {
	http.Handler
	URL string

	mu    sync.Mutex
	calls map[string]int // by method and path
}

func newConsulTap(t testing.TB, addr string) *consulTap {
	t.Helper()
	k := &consulTap{calls: map[string]int{}}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: addr})
	k.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		k.mu.Lock()
		k.calls[r.Method+" "+r.URL.Path]++
		k.mu.Unlock()
		proxy.ServeHTTP(w, r)
	})
	server := httptest.NewServer(k)
	t.Cleanup(server.Close)
	k.URL = server.URL
	return k
}

// count sums the calls that f takes; nil takes all.
func (k *consulTap) count(f func(call string) bool) (n int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for call, times := range k.calls {
		if f == nil || f(call) {
			n += times
		}
	}
	return n
}

func (k *consulTap) reset() {
	k.mu.Lock()
	defer k.mu.Unlock()
	clear(k.calls)
}

func isWrite(call string) bool { return !strings.HasPrefix(call, "GET ") }

// sweeps waits for n more sweeps of the bed's only controller, by its calls.
func (b *aclBed) sweeps(t testing.TB, n int) {
	t.Helper()
	from := b.cloud.Calls()["ecs:ListTasks"]
	harness.Eventually(t, time.Minute, fmt.Sprintf("%d sweeps", n), func() error {
		if got := b.cloud.Calls()["ecs:ListTasks"] - from; got <= n { // the first may have begun before
			return fmt.Errorf("%d so far", got)
		}
		return nil
	})
}

func logged(t testing.TB, p *harness.Process, what string) {
	t.Helper()
	harness.Eventually(t, time.Minute, p.Name+" says "+what, func() error {
		if !strings.Contains(p.Output(), what) {
			return errors.New("not yet")
		}
		return nil
	})
}

// discreet checks that a controller shows no secret ID that Consul knows, nor its
// own token: not in its log, its argv or what it serves.
func (b *aclBed) discreet(t testing.TB, p *harness.Process, served ...string) {
	t.Helper()
	argv, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.PID))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{"log": p.Output(), "argv": string(argv), "answers": strings.Join(served, "\n")}
	list, _, err := b.consul.API.ACL().TokenList(nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(list) < 3 {
		t.Fatalf("only %d tokens to look for", len(list))
	}
	for _, token := range list {
		for where, text := range seen {
			if strings.Contains(text, token.SecretID) {
				t.Errorf("the %s of %s shows the secret ID of token %s", where, p.Name, token.AccessorID)
			}
		}
	}
}

// stopped ends a controller as ECS does.
func stopped(t testing.TB, p *harness.Process) {
	t.Helper()
	if err := p.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	ended(t, p, soon, 0)
}
