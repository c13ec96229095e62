package e2e

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"meshtask/e2e/harness"
	"meshtask/internal/testbed/awsfake"
)

// killer counts the calls of a controller, to AWS and to Consul, and kills it
// with SIGKILL at the nth: before the call is carried out, or after, when only
// the answer is lost.
type killer struct {
	mu     sync.Mutex
	n, at  int
	after  bool
	writes bool                  // count only calls that change something
	victim chan *harness.Process // given once, when it has started
	last   string                // the call that it died in
}

// hit counts one call and reports whether this is where it dies.
func (k *killer) hit(what string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.writes && !strings.Contains(what, "UpdateSecret") && !strings.Contains(what, "PUT") && !strings.Contains(what, "DELETE") {
		return false
	}
	k.n++
	if k.n == k.at {
		k.last = what
		return true
	}
	return false
}

// place is the call that it died in, "" when it has not.
func (k *killer) place() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.last
}

func (k *killer) kill() {
	p := <-k.victim
	p.Kill()
}

// consul is a proxy in front of the Consul server at addr.
func (k *killer) consul(t *testing.T, addr string) string {
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: addr})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		dies := k.hit("consul " + r.Method + " " + r.URL.Path)
		if dies && !k.after {
			k.kill()
			return
		}
		answer := httptest.NewRecorder()
		proxy.ServeHTTP(answer, r)
		if dies {
			k.kill()
			return
		}
		maps.Copy(w.Header(), answer.Header())
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes()) // it may be dead
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func (k *killer) aws(call awsfake.Call) awsfake.Fault {
	if !k.hit(call.API) {
		return awsfake.Fault{}
	}
	if k.after {
		go k.kill()
		return awsfake.Fault{Lost: true}
	}
	k.kill()
	return awsfake.Fault{Code: "InternalServiceError", Message: "nobody is left to read it"}
}

// SIGKILL between any two calls, and a restart: every secret has its token, and
// no token is left over. Each round is a cluster of its own with two services.
func TestControllerSurvivesSIGKILLBetweenAnyTwoCalls(t *testing.T) {
	t.Parallel()
	b := newACLBed(t)
	var calls []string
	for _, after := range []bool{false, true} {
		for at := 1; ; at++ {
			last := b.dieAt(t, at, after)
			if last == "" { // it made fewer calls
				if at < 8 {
					t.Fatalf("only %d calls were made", at-1)
				}
				break
			}
			calls = append(calls, last)
		}
	}
	t.Logf("killed in %d places: %v", len(calls), slices.Compact(slices.Sorted(slices.Values(calls))))
}

// The same while a service is taken away: secret cleared, token and policy gone.
func TestControllerSurvivesSIGKILLBetweenDeletions(t *testing.T) {
	t.Parallel()
	b := newACLBed(t)
	var calls []string
	for _, after := range []bool{false, true} {
		for at := 1; ; at++ {
			last := b.dieDeletingAt(t, at, after)
			if last == "" {
				if at < 4 {
					t.Fatalf("only %d writes were made", at-1)
				}
				break
			}
			calls = append(calls, last)
		}
	}
	t.Logf("killed in %d places: %v", len(calls), slices.Compact(slices.Sorted(slices.Values(calls))))
}

func (b *aclBed) dieDeletingAt(t *testing.T, at int, after bool) string {
	t.Helper()
	cluster := fmt.Sprintf("d%d-%v", at, after)
	task := b.mesh(cluster, cluster+"-web")
	argv, env := b.command(t, b.consul.HTTP, cluster, "--once")
	if code := harness.Start(t, "maker", argv, env).Wait(t, time.Minute); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	if _, err := b.agree(aclPrefix + "-" + cluster + "-web"); err != nil {
		t.Fatal(err)
	}
	b.cloud.ECS.Stop(task)

	k := &killer{at: at, after: after, writes: true, victim: make(chan *harness.Process, 1)}
	b.cloud.Intercept(k.aws)
	flags := []string{"--interval", "50ms", "--audit-interval", "200ms", "--deletion-grace", "0s"}
	argv, env = b.command(t, k.consul(t, b.consul.HTTP), cluster, flags...)
	p := harness.Start(t, "victim", argv, env)
	k.victim <- p
	gone := func() error { return b.gone(t, cluster, cluster+"-web") }
	harness.Eventually(t, time.Minute, "the deletion, or its death", func() error {
		select {
		case <-p.Done():
			return nil
		default:
			return gone()
		}
	})
	b.cloud.Intercept(nil)
	if k.place() != "" {
		p.Wait(t, time.Minute)
		argv, env = b.command(t, b.consul.HTTP, cluster, flags...)
		p = harness.Start(t, "heir", argv, env)
		harness.Eventually(t, time.Minute, fmt.Sprintf("the deletion after a death in %s (after %v)", k.place(), after), gone)
	}
	harness.Eventually(t, time.Minute, p.Name+" works", func() error {
		if !strings.Contains(p.Output(), "acl controller working") {
			return errors.New("not yet") // a TERM before main would be the runtime's
		}
		return nil
	})
	if err := p.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	ended(t, p, soon, 0)
	return k.place()
}

// gone says whether nothing of a service is left but its cleared secret.
func (b *aclBed) gone(t *testing.T, cluster, service string) error {
	t.Helper()
	if n := len(b.owned(t, cluster)); n > 0 {
		return fmt.Errorf("%d tokens are left", n)
	}
	if text, ok := b.cloud.Secrets.Get(aclPrefix + "-" + service); !ok || text != "{}" {
		return fmt.Errorf("the secret is there %v and not cleared", ok)
	}
	if p, _, err := b.consul.API.ACL().PolicyReadByName(service+"-service", nil); err == nil && p != nil {
		return fmt.Errorf("policy %s is left", p.Name)
	}
	return nil
}

// dieAt kills a controller at a call, and checks what the next one makes of it.
// It returns the call, or "" when there was none.
func (b *aclBed) dieAt(t *testing.T, at int, after bool) string {
	t.Helper()
	k := &killer{at: at, after: after, victim: make(chan *harness.Process, 1)}
	cluster := fmt.Sprintf("c%d-%v", at, after)
	services := []string{cluster + "-web", cluster + "-api"}
	for _, s := range services {
		b.mesh(cluster, s)
	}
	b.cloud.Intercept(k.aws)
	argv, env := b.command(t, k.consul(t, b.consul.HTTP), cluster, "--once")
	p := harness.Start(t, "victim", argv, env)
	k.victim <- p
	code := p.Wait(t, time.Minute)
	b.cloud.Intercept(nil)
	if k.place() == "" {
		if code != 0 {
			t.Fatalf("round %d was not killed and failed: %d\n%s", at, code, p.Tail(20))
		}
	} else if code != 137 {
		t.Fatalf("round %d: exit code %d, want a SIGKILL\n%s", at, code, p.Tail(20))
	}
	argv, env = b.command(t, b.consul.HTTP, cluster, "--once")
	heir := harness.Start(t, "heir", argv, env)
	if code := heir.Wait(t, time.Minute); code != 0 {
		t.Fatalf("killed in %s (after %v), the next one failed: %d\n%s", k.place(), after, code, heir.Tail(20))
	}
	for _, s := range services {
		if _, err := b.agree(aclPrefix + "-" + s); err != nil {
			t.Errorf("killed in %s (after %v): %s: %v", k.place(), after, s, err)
		}
	}
	if owned := b.owned(t, cluster); len(owned) != len(services) {
		t.Errorf("killed in %s (after %v): %d tokens for %d services", k.place(), after, len(owned), len(services))
	}
	return k.place()
}
