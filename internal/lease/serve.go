package lease

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"meshtask/internal/event"
)

// grant is one lease that is held.
type grant struct {
	name string
	conn net.Conn
	wake chan struct{} // one pending hint that there is something to tell
	pong chan struct{} // one pending answer
	gone chan struct{} // closed when the lease has ended

	asked bool // somebody waits for a pong; under the Keeper's lock
	ping  bool // and it has not been asked for yet; likewise
}

// ServeHTTP takes one lease and keeps it until it ends, or the request's context
// does. A lease that ends because the server closes, which the context's cause says
// (http.ErrServerClosed), is not lost: nobody is left to miss it.
func (k *Keeper) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	chosen := agreed(protocols(), r.Header.Values("Upgrade"))
	if chosen == "" {
		spoken := strings.Join(protocols(), ", ")
		w.Header().Set("Upgrade", spoken)
		http.Error(w, "ask for a lease with Upgrade: "+spoken, http.StatusUpgradeRequired)
		return
	}
	c, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, "this connection cannot be kept", http.StatusInternalServerError)
		return
	}
	_ = c.SetDeadline(time.Now().Add(writeLimit))
	if _, err := c.Write([]byte("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: " + chosen + "\r\n\r\n")); err != nil {
		_ = c.Close()
		return
	}
	k.serve(r.Context(), c, rw.Reader)
}

// serve owns an upgraded connection until its lease has ended.
func (k *Keeper) serve(ctx context.Context, c net.Conn, r *bufio.Reader) {
	defer c.Close()
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	_ = c.SetReadDeadline(time.Now().Add(helloLimit))
	hello, err := receive(r)
	if err != nil || hello.Say != sayHello {
		return
	}
	_ = c.SetReadDeadline(time.Time{})
	g := &grant{name: hello.Name, conn: c, wake: make(chan struct{}, 1), pong: make(chan struct{}, 1), gone: make(chan struct{})}
	if why := k.admit(ctx, g); why != "" {
		k.refuse(g, why)
		return
	}
	k.hold(ctx, g, r)
}

func (k *Keeper) refuse(g *grant, why string) {
	_ = send(g.conn, message{Say: sayRefused, Why: why}) // it may be gone
	name := g.name
	if !validName(name) {
		name = "" // nobody's words but ours go to the record
	}
	k.refusals.add(name, func(unnoted int) event.Event {
		return event.LeaseRefused{Name: name, Reason: why, Unnoted: unnoted}
	})
}

// admit enters g as the holder of its name, or says why it may not be.
func (k *Keeper) admit(ctx context.Context, g *grant) (why string) {
	if !validName(g.name) {
		return fmt.Sprintf("a name has 1 to %d letters, digits, '-' and '_'", maxName)
	}
	if k.c.Task != nil {
		if why := k.c.Task.admits(ctx, g.name); why != "" {
			return why
		}
	}
	for ctx.Err() == nil {
		old, why := k.enter(g)
		switch {
		case why != "":
			return why
		case old == nil:
			k.steps.add(g.name, func(unnoted int) event.Event { return event.Lease{Name: g.name, Unnoted: unnoted} })
			k.c.Changed()
			return ""
		}
		if k.isAlive(ctx, old) {
			return fmt.Sprintf("container %s holds a lease, and its holder is alive", g.name)
		}
	}
	return "this connection ends"
}

// enter makes g the holder of its name unless somebody is: old is then to be
// asked whether it is alive.
func (k *Keeper) enter(g *grant) (old *grant, why string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	old = k.held[g.name]
	switch {
	case old != nil && old.asked:
		return nil, fmt.Sprintf("container %s holds a lease, and is being asked whether it is alive", g.name)
	case old != nil:
		select {
		case <-old.pong: // nobody has asked for it
		default:
		}
		old.asked, old.ping = true, true
		poke(old.wake)
		return old, ""
	case len(k.held) >= maxLeases:
		return nil, fmt.Sprintf("%d leases are held already", maxLeases)
	}
	k.held[g.name] = g
	delete(k.lost, g.name)
	if !slices.Contains(k.known, g.name) && len(k.known) < maxLeases {
		k.known = append(k.known, g.name)
	}
	return nil, ""
}

// isAlive waits for old's pong. One that does not answer has lost its lease when
// isAlive returns.
func (k *Keeper) isAlive(ctx context.Context, old *grant) bool {
	t := time.NewTimer(pongLimit)
	defer t.Stop()
	select {
	case <-old.pong:
		k.mu.Lock()
		old.asked = false
		k.mu.Unlock()
		return true
	case <-old.gone:
		return false
	case <-t.C:
	case <-ctx.Done():
	}
	_ = old.conn.Close()
	<-old.gone
	return false
}

// hold is the life of one lease: up is told when it may be, stop when it must be.
func (k *Keeper) hold(ctx context.Context, g *grant, r *bufio.Reader) {
	ended := make(chan message, 1)
	go func() {
		defer close(ended)
		listen(r, func(say string) bool { return say == sayPong || say == sayEnded }, func(m message) bool {
			if m.Say == sayEnded {
				ended <- m
				return false
			}
			poke(g.pong)
			return true
		})
	}()
	for toldUp, toldStop := false, false; ; {
		k.mu.Lock()
		up, stopping, ping := k.up, k.stopping, g.ping
		g.ping = false
		k.mu.Unlock()
		var err error
		if stopping && !toldStop {
			toldStop = true
			err = send(g.conn, k.stopMessage())
		} else if up && !stopping && !toldUp {
			toldUp = true
			err = send(g.conn, message{Say: sayUp})
		}
		if err == nil && ping {
			err = send(g.conn, message{Say: sayPing})
		}
		if err != nil {
			_ = g.conn.Close() // its reader sees it
		}
		select {
		case m, ok := <-ended:
			_ = g.conn.Close()
			<-ended // the reader has ended
			k.release(ctx, g, ok, m)
			return
		case <-g.wake:
		}
	}
}

// release removes a lease that has ended; one that ends because the Keeper does is not lost.
func (k *Keeper) release(ctx context.Context, g *grant, ended bool, m message) {
	k.mu.Lock()
	delete(k.held, g.name)
	close(g.gone)
	lost := !ended && !errors.Is(context.Cause(ctx), http.ErrServerClosed)
	if lost && len(k.lost) < maxLeases {
		k.lost[g.name] = time.Now()
	}
	k.mu.Unlock()
	switch {
	case ended:
		code := 0
		if m.Code != nil {
			code = *m.Code
		}
		k.steps.add(g.name, func(unnoted int) event.Event {
			return event.LeaseEnded{Code: code, Name: g.name, Unnoted: unnoted}
		})
	case lost:
		k.steps.add(g.name, func(unnoted int) event.Event { return event.LeaseLost{Name: g.name, Unnoted: unnoted} })
	}
	poke(k.wake)
	k.c.Changed()
}
