package lease

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"

	"meshtask/internal/event"
	"meshtask/internal/retry"
)

const (
	dialLimit = time.Second
	// Nothing tells when the mesh container begins to listen: often at first.
	firstPause, lastPause = 20 * time.Millisecond, time.Second
	lease                 = "the mesh container's lease"
	hint                  = "start `meshtask run` in this task, with admin.listen on this address"
)

// Holder is the app container's side, and a unit: it is ready when the mesh is
// up, takes a lost lease again for as long as it runs, and when it is asked to
// stop it hands the app's exit code over and lets the lease go.
type Holder struct {
	Addr string                           // HOST:PORT of the mesh container's admin.listen
	Name func(ctx context.Context) string // of this container; asked at each try
	Wait time.Duration                    // for the mesh to be up, from Run on; 0: no limit

	GiveUp func(error)                                  // when Wait is over, with its cause; the unit waits on
	Stop   func(s syscall.Signal, within time.Duration) // the mesh wants the app to stop; once for each lease
	Code   func() int                                   // of the app that has ended
	Report event.Report                                 // nil: nobody listens
	Log    hclog.Logger                                 // nil: none

	mu   sync.Mutex
	held bool
}

// Held says whether the lease is held now.
func (h *Holder) Held() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.held
}

func (h *Holder) hold(on bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.held = on
}

// Run is the unit. It ends when it is asked to, never by itself.
func (h *Holder) Run(ctx context.Context, ready func(), stop <-chan struct{}) error {
	var limit <-chan time.Time
	if h.Wait > 0 {
		t := time.NewTimer(h.Wait)
		defer t.Stop()
		limit = t.C
	}
	up := sync.OnceFunc(func() { limit = nil; ready() })
	defer h.report(event.WaitOver{})
	pauses := retry.Backoff{First: firstPause, Max: lastPause}
	for {
		began := time.Now()
		err := h.once(ctx, up, stop, limit)
		switch {
		case err == nil, ctx.Err() != nil:
			return nil
		case errors.Is(err, errWait):
			limit = nil
			h.giveUp()
			continue
		case errors.Is(err, errLost) && time.Since(began) > lastPause:
			pauses.Reset()
		}
		h.waits(err.Error(), hint)
		t := time.NewTimer(pauses.Next())
		select {
		case <-t.C:
		case <-limit:
			limit = nil
			h.giveUp()
		case <-stop:
			t.Stop()
			return nil
		case <-ctx.Done():
			t.Stop()
			return nil
		}
	}
}

func (h *Holder) giveUp() {
	h.GiveUp(event.Because(event.MeshNotThere, fmt.Errorf("%s at %s was not granted within %v", lease, h.Addr, h.Wait), "address", h.Addr))
}

func (h *Holder) report(e event.Event) { h.Report.Or()(e) }

// waits reports why the mesh is not up for us.
func (h *Holder) waits(lastError, fix string) {
	h.report(event.Waiting{Code: event.MeshNotThere, What: lease + " at " + h.Addr, Err: lastError, Fix: fix, Facts: event.Facts{"address": h.Addr}})
}

var (
	errWait = errors.New("the wait for the mesh is over")
	errLost = errors.New("the lease is lost: the mesh container has ended it")
)

// once holds one lease until it is lost or refused (an error), or let go (nil).
func (h *Holder) once(ctx context.Context, up func(), stop <-chan struct{}, limit <-chan time.Time) error {
	name := h.Name(ctx)
	c, err := (&net.Dialer{Timeout: dialLimit}).DialContext(ctx, "tcp", h.Addr)
	if err != nil {
		return err
	}
	defer c.Close()
	r, err := h.take(c, name)
	if err != nil {
		return err
	}
	return h.converse(ctx, c, r, up, stop, limit)
}

// converse follows the mesh until the lease has ended; c is closed then.
func (h *Holder) converse(ctx context.Context, c net.Conn, r *bufio.Reader, up func(), stop <-chan struct{}, limit <-chan time.Time) error {
	said, over := make(chan message), make(chan struct{})
	go func() {
		defer close(said)
		listen(r, fromMesh, func(m message) bool {
			select {
			case said <- m:
				return true
			case <-over:
				return false
			}
		})
	}()
	defer func() {
		close(over)
		_ = c.Close()
		for range said { // until the reader has ended
		}
	}()
	h.waits("the mesh is not up yet", "see the log of the mesh container")
	h.hold(true)
	defer h.hold(false)
	for stopped := false; ; {
		select {
		case m, ok := <-said:
			switch {
			case !ok:
				return errLost
			case m.Say == sayRefused:
				return fmt.Errorf("the mesh container refuses the lease: %s", m.Why)
			case m.Say == sayPing:
				if err := send(c, message{Say: sayPong}); err != nil {
					return errLost
				}
			case m.Say == sayUp:
				h.report(event.WaitOver{})
				limit = nil
				up()
			case m.Say == sayStop && !stopped:
				stopped = true
				h.Stop(h.stopSignal(m.Signal), time.Duration(m.Millis)*time.Millisecond)
			}
		case <-limit:
			return errWait
		case <-stop:
			code := h.Code()
			return send(c, message{Say: sayEnded, Code: &code})
		case <-ctx.Done():
			return nil
		}
	}
}

func fromMesh(say string) bool {
	return say == sayUp || say == sayStop || say == sayPing || say == sayRefused
}

// stopSignal is what the app is stopped with. Whoever listens at the mesh's port
// can ask for it, so only signals that mean "stop" or are the app's own are taken.
func (h *Holder) stopSignal(n int) syscall.Signal {
	const rtMin, rtMax = 34, 64
	switch s := syscall.Signal(n); {
	case n >= rtMin && n <= rtMax:
		return s
	case s == syscall.SIGTERM, s == syscall.SIGINT, s == syscall.SIGQUIT, s == syscall.SIGHUP,
		s == syscall.SIGUSR1, s == syscall.SIGUSR2, s == syscall.SIGWINCH:
		return s
	}
	if h.Log != nil {
		h.Log.Warn("the mesh container asks for a stop with a signal that stops no app, TERM is sent",
			"signal", n, "fix", "check that it is `meshtask run` that listens at "+h.Addr)
	}
	return syscall.SIGTERM
}

// take upgrades the connection and says who we are.
func (h *Holder) take(c net.Conn, name string) (*bufio.Reader, error) {
	limited := &io.LimitedReader{R: c, N: answerSize}
	r := bufio.NewReaderSize(limited, lineLimit)
	if err := h.greet(c, r, name); err != nil {
		return nil, err
	}
	limited.N = math.MaxInt64
	return r, c.SetDeadline(time.Time{})
}

// answerSize is more than the answer to an upgrade has.
const answerSize = 16 << 10

func (h *Holder) greet(c net.Conn, r *bufio.Reader, name string) error {
	_ = c.SetDeadline(time.Now().Add(writeLimit))
	req, err := http.NewRequest(http.MethodGet, "http://localhost"+Path, nil) // whatever name the address has for us
	if err != nil {
		return err
	}
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", strings.Join(protocols(), ", "))
	if err := req.Write(c); err != nil {
		return err
	}
	resp, err := http.ReadResponse(r, req)
	switch {
	case err != nil:
		return err
	case resp.StatusCode == http.StatusUpgradeRequired && strings.HasPrefix(resp.Header.Get("Upgrade"), "meshtask-lease/"):
		return fmt.Errorf("%s speaks %q, not %s: give this container and the mesh container versions of meshtask that have one in common (docs/upgrades.md)",
			h.Addr, resp.Header.Get("Upgrade"), strings.Join(protocols(), ", "))
	case resp.StatusCode == http.StatusSwitchingProtocols && agreed(protocols(), resp.Header.Values("Upgrade")) == "":
		return fmt.Errorf("%s answers with %q, which was not asked for: it grants no leases", h.Addr, resp.Header.Get("Upgrade"))
	case resp.StatusCode != http.StatusSwitchingProtocols:
		return fmt.Errorf("%s answers %s: it grants no leases", h.Addr, resp.Status)
	}
	return send(c, message{Say: sayHello, Name: name})
}
