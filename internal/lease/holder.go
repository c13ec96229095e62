package lease

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"
)

const (
	dialLimit = time.Second
	// Nothing tells when the mesh container begins to listen: often at first.
	firstPause, lastPause = 20 * time.Millisecond, time.Second
	lease                 = "the mesh container's lease"
	hint                  = "does `meshtask run` run in this task, with admin.listen on this address?"
)

// Holder is the app container's side, and a unit: it is ready when the mesh is
// up, takes a lost lease again for as long as it lives, and when it is asked to
// stop it hands the app's exit code over and lets the lease go.
type Holder struct {
	Addr string        // HOST:PORT of the mesh container's admin.listen
	Name string        // of this container
	Wait time.Duration // for the mesh to be up, from Run on; 0: no limit

	GiveUp  func(error)                                  // when Wait is over; the unit waits on
	Stop    func(s syscall.Signal, within time.Duration) // the mesh wants the app to stop; once for each lease
	Code    func() int                                   // of the app that has ended
	Waiting func(what, lastError, hint string)

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
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		err := h.once(ctx, up, stop, limit)
		switch {
		case err == nil, ctx.Err() != nil:
			return nil
		case errors.Is(err, errWait):
			limit = nil
			h.giveUp()
			continue
		}
		h.Waiting(lease+" at "+h.Addr, err.Error(), hint)
		t := time.NewTimer(pause)
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
	h.GiveUp(fmt.Errorf("%s at %s was not granted within %v", lease, h.Addr, h.Wait))
}

var errWait = errors.New("the wait for the mesh is over")

// once holds one lease until it is lost (an error), or let go (nil).
func (h *Holder) once(ctx context.Context, up func(), stop <-chan struct{}, limit <-chan time.Time) error {
	c, r, err := h.take(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	h.Waiting(lease+" at "+h.Addr, "the mesh is not up yet", "see the log of the mesh container")
	defer h.Waiting("", "", "")
	h.hold(true)
	defer h.hold(false)
	said := make(chan message)
	over := make(chan struct{})
	defer close(over)
	go func() {
		defer close(said)
		for {
			m, err := receive(r)
			if err != nil {
				return
			}
			select {
			case said <- m:
			case <-over:
				return
			}
		}
	}()
	for {
		select {
		case m, ok := <-said:
			switch {
			case !ok:
				return errors.New("the lease is lost: the mesh container has ended it")
			case m.Say == "up":
				h.Waiting("", "", "")
				limit = nil
				up()
			case m.Say == "stop":
				h.Stop(syscall.Signal(m.Signal), time.Duration(m.Millis)*time.Millisecond)
			}
		case <-limit:
			return errWait
		case <-stop:
			return send(c, message{Say: "ended", Code: h.Code()})
		case <-ctx.Done():
			return nil
		}
	}
}

// take dials, upgrades and says who we are.
func (h *Holder) take(ctx context.Context) (net.Conn, *bufio.Reader, error) {
	c, err := (&net.Dialer{Timeout: dialLimit}).DialContext(ctx, "tcp", h.Addr)
	if err != nil {
		return nil, nil, err
	}
	r := bufio.NewReader(c)
	_ = c.SetDeadline(time.Now().Add(writeLimit))
	req, err := http.NewRequest(http.MethodGet, "http://"+h.Addr+Path, nil)
	if err == nil {
		req.Header.Set("Connection", "Upgrade")
		req.Header.Set("Upgrade", protocol)
		err = req.Write(c)
	}
	if err == nil {
		var resp *http.Response
		if resp, err = http.ReadResponse(r, req); err == nil && resp.StatusCode != http.StatusSwitchingProtocols {
			err = fmt.Errorf("%s answers %s: it grants no leases", h.Addr, resp.Status)
		}
	}
	if err == nil {
		err = send(c, message{Say: "hello", Name: h.Name})
	}
	if err != nil {
		_ = c.Close()
		return nil, nil, err
	}
	return c, r, c.SetDeadline(time.Time{})
}
