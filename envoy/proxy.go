package envoy

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"meshtask/envoy/bootstrap"
	"meshtask/internal/event"
	"meshtask/supervisor"
)

// Config is what Proxy needs. Zero values are the defaults named.
type Config struct {
	Path      string        // executable (see supervisor.Look)
	Bootstrap string        // file, see Bootstrap
	Admin     string        // as in Settings
	Token     func() string // as in Settings; it is taken out of what Envoy prints
	Role      Role          // what it is for
	Listen    string        // the public listener, "IP:PORT" or ":PORT"; of a gateway "" is not known
	Others    []Bind        // every other listener that the configuration asks for

	Concurrency   int           // worker threads; 0 = Envoy's own choice
	LogLevel      string        // "" = warning
	Drain         time.Duration // --drain-time-s, rounded up; 0 = Envoy's 600 s
	ExtraArgs     []string      // a flag of ours that is among them gives way
	Env           []string      // whole environment
	ReadyTimeout  time.Duration // from exec to ready, without the time that Lacks waits; 0 = 60 s
	StrictVersion bool          // a version that Consul does not list is an error

	// Server tells of the Consul that serves this Envoy. It is asked when a version has to be
	// judged: for a sentence, or with StrictVersion. nil is that nothing is known.
	Server func(context.Context) Server

	// Lacks is asked from time to time while Envoy is not ready: what outside of it is missing.
	// waits says that its time to get ready begins when that is there. nil = nobody knows.
	Lacks func(context.Context) (f Finding, waits bool)

	// XDSEnded is called once in a Run if Consul ends a stream of Envoy's before Envoy has got any
	// configuration: who holds another stream at that server gives it up, as there may be no room
	// for two. nil = not looked for.
	XDSEnded func()

	Start  Starter
	Output func(stream int, level hclog.Level, line string) // NoLevel where none can be read; nil = dropped
	Report event.Report
	Grace  func() time.Duration // from stop to end; nil = 3 s
	Log    hclog.Logger         // nil = none
}

// Proxy is the unit that runs one Envoy. Run may be called again when it has returned.
type Proxy struct {
	c        Config
	refusals chan VersionError // Consul's, as Envoy's lines tell them
	unjudged sync.Once         // that StrictVersion cannot be kept has been said

	lacksFilter atomic.Bool // it has refused the document for WithoutFilter's reason
}

const (
	pollStart    = 5 * time.Millisecond  // one kept connection; Envoy needs 40 to 160 ms in all
	pollWaiting  = 50 * time.Millisecond // while it waits for somebody else
	diagnoseEach = time.Second
	endedEach    = 4               // polls: Envoy answers between two clusters, and statistics take it longer
	diagnoseWait = 5 * time.Second // while it waits for somebody else
	graceDefault = quitMax + termMax
	quitMax      = 2 * time.Second // Envoy answers in 10 ms; a stuck one never does
	termMax      = time.Second
)

// NewProxy sets the defaults.
func NewProxy(c Config) *Proxy {
	if c.LogLevel == "" {
		c.LogLevel = "warning"
	}
	if c.ReadyTimeout == 0 {
		c.ReadyTimeout = 60 * time.Second
	}
	c.Role = c.Role.of()
	if c.Lacks == nil {
		c.Lacks = func(context.Context) (f Finding, waits bool) { return f, false }
	}
	if c.Output == nil {
		c.Output = func(int, hclog.Level, string) {}
	}
	c.Report = c.Report.Or()
	if c.Grace == nil {
		c.Grace = func() time.Duration { return graceDefault }
	}
	if c.Log == nil {
		c.Log = hclog.NewNullLogger()
	}
	return &Proxy{c: c, refusals: make(chan VersionError, 1)}
}

// Run starts Envoy and stays until it has ended. It is ready when Envoy is LIVE
// and has bound the public listener, or as a gateway all that Consul has sent. Its ends are:
//
//   - nil: stop was closed, or ctx is done, and Envoy has gone, killed if it had to be;
//   - before exec: the port of a listener is taken, or exec fails;
//   - not ready within ReadyTimeout: the error says what is missing;
//   - *VersionError: Consul refuses it, or does not list it and StrictVersion is set;
//   - *supervisor.StuckError: KILL did not end it; behind one of the others, where that was why;
//   - Envoy ended unasked, with whatever code: 0 as well is a crash.
//
// Where it is known why, the error has an event.Cause.
func (p *Proxy) Run(ctx context.Context, ready func(), stop <-chan struct{}) error {
	if err := portsFree(append(p.listener(), p.c.Others...)); err != nil {
		return err
	}
	if err := p.removeSocket(); err != nil {
		return err
	}
	select {
	case <-p.refusals: // of an earlier life
	default:
	}
	child, err := p.c.Start.Start(supervisor.Spec{
		Name: "envoy", Argv: p.c.Argv(), Env: p.c.Env, MaxFiles: true, NoCore: true, Lines: p.line,
	})
	if err != nil {
		return err
	}
	p.c.Report(event.Exec{Name: "envoy", PID: child.PID()})
	admin := NewAdmin(p.c.Admin)
	defer admin.Close()

	at, err := p.await(ctx, child, admin, stop)
	p.c.Report(event.WaitOver{})
	if err == nil {
		p.c.Report(event.Listener{Address: at})
		ready()
		select {
		case <-child.Done():
		case <-stop:
		case <-ctx.Done():
		}
	}
	return p.finish(ctx, child, admin, stop, err)
}

// errCut ends the wait for readiness when Envoy has ended, or need not get ready.
var errCut = errors.New("cut short")

// listener is the first one as it is to be bound; none where that is not known.
func (p *Proxy) listener() []Bind {
	switch {
	case p.c.Role.sent && p.c.Listen == "":
		return nil
	case p.c.Role.sent:
		return []Bind{{What: "gateway's listener", Field: "gateway.lanAddress", Address: p.c.Listen}}
	}
	return []Bind{{What: "public listener", Field: "proxy.publicListenerPort", Address: p.c.Listen}}
}

// await polls until Envoy is ready, and says where it listens.
func (p *Proxy) await(ctx context.Context, child *supervisor.Child, admin *Admin, stop <-chan struct{}) (at string, err error) {
	late := time.NewTimer(p.c.ReadyTimeout)
	defer late.Stop()
	poll, cut := context.WithCancel(ctx)
	var watch sync.WaitGroup
	defer watch.Wait()
	defer cut()
	watch.Go(func() {
		select {
		case <-child.Done():
		case <-stop:
		case <-poll.Done():
		}
		cut()
	})

	judged, ended := !p.c.StrictVersion, p.c.XDSEnded
	diagnose := time.NewTicker(diagnoseEach)
	defer diagnose.Stop()
	next := time.NewTicker(pollStart)
	defer next.Stop()
	waiting, seen := false, ""
	for n := 0; ; n++ {
		state, err := admin.Ready(poll)
		if err == nil && !judged {
			if judged, err = p.strict(poll, admin); err != nil {
				return "", err
			}
		}
		if err == nil && state == "LIVE" {
			if at := p.c.Role.ready(poll, admin, p.c.Listen); at != "" {
				return at, nil
			}
		}
		if err == nil && ended != nil && n%endedEach == 0 && admin.xdsEnded(poll, state) {
			ended()
			ended = nil
		}
		select {
		case <-next.C:
			continue
		case e := <-p.refusals:
			e.Consul = p.server(poll).Version
			return "", misfit(&e)
		case <-diagnose.C:
			now, waits := p.missing(poll, admin)
			if waits != waiting {
				waiting = waits
				pace(waits, late, p.c.ReadyTimeout, next, diagnose)
			}
			if now.Seen != seen && poll.Err() == nil {
				seen = now.Seen
				p.c.Report(event.Waiting{Code: now.Code, What: p.awaited(), Err: now.Seen, Fix: now.Fix, Facts: now.Facts})
			}
		case <-late.C:
			if !closed(child.Done()) && !closed(stop) && ctx.Err() == nil {
				return "", p.late(child, admin)
			}
			return "", errCut
		case <-poll.Done():
			return "", errCut
		}
	}
}

// pace has the wait for somebody else, which may last for days, be no failure of Envoy's, and cost
// little.
func pace(waits bool, late *time.Timer, limit time.Duration, next, diagnose *time.Ticker) {
	if !waits {
		late.Reset(limit)
		next.Reset(pollStart)
		diagnose.Reset(diagnoseEach)
		return
	}
	late.Stop()
	next.Reset(pollWaiting)
	diagnose.Reset(diagnoseWait)
}

// awaited is what the wait for readiness is for.
func (p *Proxy) awaited() string {
	if p.c.Role.sent {
		return "envoy to have the gateway's listeners"
	}
	return "envoy to listen on " + p.c.Listen
}

// missing says what keeps Envoy from being ready: of a gateway what there is not in Consul, else
// what Envoy shows.
func (p *Proxy) missing(ctx context.Context, admin *Admin) (f Finding, waits bool) {
	if f, waits := p.c.Lacks(ctx); f.Seen != "" {
		return f, waits && p.c.Role.waits
	}
	f = admin.Diagnose(ctx, p.c.Role, p.c.Listen)
	if p.c.Role.late != "" && f.Code == event.XDSNoConfig && f.Facts[event.FactCase] == "" {
		f.Fix, f.Facts = p.c.Role.late, event.Facts{event.FactCase: event.CaseMeshGateway}
	}
	return f, false
}

// late explains why ReadyTimeout has passed.
func (p *Proxy) late(child *supervisor.Child, admin *Admin) error {
	ctx, cancel := context.WithTimeout(context.Background(), callLimit)
	defer cancel()
	f, _ := p.missing(ctx, admin)
	if f.Seen == "" {
		f = Finding{Code: event.EnvoyNotReady, Seen: "it became ready just then", Fix: "raise envoy.readyTimeout"}
	}
	tail := p.tail(child, " rejected: ")
	if tail != "" {
		tail = "; its last lines: " + tail
	}
	return &event.Cause{Code: f.Code, Facts: f.Facts, Err: fmt.Errorf("envoy is not ready after %v: %s (%s)%s", p.c.ReadyTimeout, f.Seen, f.Fix, tail)}
}

// removeSocket removes what an Envoy of an earlier life left: connecting to it
// fails, but its presence says nothing.
func (p *Proxy) removeSocket() error {
	if !bootstrap.IsSocket(p.c.Admin) {
		return nil
	}
	path := bootstrap.SocketPath(p.c.Admin)
	info, err := os.Lstat(path)
	if err != nil {
		return nil // not there; whatever else is wrong Envoy will say
	}
	if info.Mode().Type() != os.ModeSocket {
		return fmt.Errorf("envoy admin socket: %s is there already and is no socket", path)
	}
	return os.Remove(path)
}
