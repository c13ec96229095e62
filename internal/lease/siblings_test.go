package lease

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"meshtask/internal/event"
)

// port is an app's port that answers or not.
type port struct{ open atomic.Bool }

func (p *port) Await(ctx context.Context, report event.Report) error {
	for !p.open.Load() {
		report(event.Waiting{What: "tcp", Err: "connection refused"})
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
	return ctx.Err()
}

// family is Siblings that run, and what they told of the app.
type family struct {
	*Siblings
	t    *testing.T
	port *port
	is   atomic.Bool
	ups  atomic.Int32 // how often the app came up
}

// start runs Siblings; with a port the app is there from the start.
func start(t *testing.T, withPort bool) *family {
	f := &family{t: t, port: &port{}}
	c := SiblingsConfig{Up: func() { f.is.Store(true); f.ups.Add(1) }, Down: func() { f.is.Store(false) }}
	if withPort {
		f.port.open.Store(true)
		c.Probe = f.port
	}
	f.Siblings = NewSiblings(c)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- f.Run(ctx, func() {}, nil) }()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	f.want("at the start", true)
	return f
}

// want checks what is told of the app once all is quiet.
func (f *family) want(when string, there bool) {
	f.t.Helper()
	synctest.Wait()
	if f.is.Load() != there {
		f.t.Errorf("%s: the app is there: %v", when, f.is.Load())
	}
}

func (f *family) lost(when string, names ...string) {
	f.t.Helper()
	if got := f.Lost(); !slices.Equal(got, names) {
		f.t.Errorf("%s: lost %v, want %v", when, got, names)
	}
}

func (f *family) enter(name string) *peer {
	p := connect(f.t, f.Keeper)
	p.say(`{"say":"hello","name":"` + name + `"}`)
	if m := p.hear(); m.Say != sayUp {
		f.t.Fatalf("%s hears %+v", name, m)
	}
	return p
}

// One connection does not switch the service off, whatever it says, nor does one
// after another.
func TestAStrangersLeaseSwitchesNothingOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, true)
		f.enter("evil").close()
		f.lost("after the loss", "evil")
		for at := time.Duration(0); at < grace-time.Second; at += time.Second {
			time.Sleep(time.Second)
			f.want("while the lease is lost", true)
			f.lost("while the lease is lost", "evil")
		}
		time.Sleep(2 * time.Second)
		f.want("after the grace", true)
		f.lost("after the grace")
		for range 100 { // ever again
			f.enter("evil").close()
			time.Sleep(100 * time.Millisecond)
			f.want("during an attack", true)
		}
		p := f.enter("evil")
		p.say(`{"say":"ended","code":0}`)
		<-p.done
		time.Sleep(time.Minute)
		f.want("after ended", true)
		f.lost("at the end")
		if n := f.ups.Load(); n != 1 {
			t.Errorf("the app came up %d times", n)
		}
	})
}

// An app whose lease is lost and whose port is closed has gone, also when the port
// closes a moment later; it is there again when the port answers.
func TestAnAppThatDiesHasGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, true)
		for name, late := range map[string]time.Duration{"at once": 0, "before it is asked": lossPause / 2, "after it was asked": 2 * lossPause} {
			app := f.enter("web")
			app.close()
			time.Sleep(late)
			f.port.open.Store(false)
			time.Sleep(missingPoll + lossPause)
			f.want(name, false)
			f.lost(name, "web")
			time.Sleep(2 * grace)
			f.lost(name+", much later", "web")
			app = f.enter("web")
			f.lost(name + ", and leases again")
			time.Sleep(time.Second)
			f.want(name+", leased and not listening", false)
			f.port.open.Store(true)
			time.Sleep(10 * time.Millisecond)
			f.want(name+", and back", true)
			f.port.open.Store(false)
			app.say(`{"say":"ended","code":5}`)
			<-app.done
			time.Sleep(2 * lossPause)
			f.want(name+", ended", false)
			f.port.open.Store(true)
			time.Sleep(10 * time.Millisecond)
			f.want(name+", and back", true)
		}
	})
}

// A lost lease is forgotten when another one is held, though the port says nothing.
func TestALostLeaseIsForgottenBesideAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, false)
		other := f.enter("worker")
		f.enter("web").close()
		f.want("beside another", true)
		time.Sleep(grace - time.Second)
		f.lost("before the grace", "web")
		time.Sleep(2 * time.Second)
		f.lost("after the grace")
		other.close()
		f.want("the last one", false)
		time.Sleep(2 * grace)
		f.lost("nobody is there", "worker")
		f.want("nobody is there", false)
		other = f.enter("worker")
		f.want("the last one came again", true)
		other.close()
	})
}

func TestInboundWaitsForTheMesh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, c := range map[string]struct {
			held, told bool
			want       time.Duration
		}{"told": {true, true, 0}, "never told": {true, false, 5 * time.Second}, "no mesh": {false, false, lostGrace}} {
			d := NewInbound(func() bool { return c.held }, func() time.Duration { return 5 * time.Second })
			if c.told {
				d.Drained()
			}
			stop, began := make(chan struct{}), time.Now()
			close(stop)
			if err := d.Run(t.Context(), func() {}, stop); err != nil || time.Since(began) != c.want {
				t.Errorf("%s: %v after %v, want %v", name, err, time.Since(began), c.want)
			}
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errors.New("now"))
		if err := NewInbound(nil, nil).Run(ctx, func() {}, nil); err != nil {
			t.Error(err)
		}
	})
}
