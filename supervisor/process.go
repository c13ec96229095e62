package supervisor

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"

	"meshtask/internal/event"
	"meshtask/internal/signame"
)

// stragglerGrace is what the rest of a group gets for its TERM when the leader has ended
// unasked, so that no stop budget is running.
const stragglerGrace = 2 * time.Second

// Process is the unit for a plain child: one life from start to the end of its group. Its
// fields are set before Run and not changed; those marked optional may be zero.
type Process struct {
	Sup  *Supervisor
	Spec func() (Spec, error) // asked at each start

	Signal func() syscall.Signal // the stop signal; optional: TERM
	Leader bool                  // the stop signal goes to the leader alone
	Grace  func() time.Duration  // what the stop leaves for the end, asked at the stop signal and at KILL; optional: no limit

	Ready        Probe         // optional: Started
	ReadyTimeout time.Duration // optional: no limit
	// GiveUp gets a *NotReady when ReadyTimeout is over; the process runs on until it is
	// stopped. Optional.
	GiveUp func(error)

	Report event.Report // Exec, Exit, Killed, Suspended and Resumed, and what the readiness probe waits for; optional
	OnExit func(Exit)   // at each end, before Run returns; optional
	Log    hclog.Logger // optional

	mu    sync.Mutex // never held over what may block: a start, a wait
	child *Child
	held  []syscall.Signal // that came while there was no child
}

// NotReady says that a process has not become ready in time.
type NotReady struct {
	Name    string
	What    string // what was waited for
	Timeout time.Duration
	Last    error // of the last try; nil when there was none
}

func (e *NotReady) Error() string {
	last := ""
	if e.Last != nil {
		last = ": " + e.Last.Error()
	}
	return fmt.Sprintf("%s is not ready after %v (%s)%s", e.Name, e.Timeout, e.What, last)
}

// Unwrap is the last try: an event.Cause, where the probe knows what it met.
func (e *NotReady) Unwrap() error { return e.Last }

// Forward sends a signal of the user's on to the running child: INT, QUIT, TERM, TSTP and
// CONT as the stop signal goes, to its group or its leader; all others to the leader. While
// there is no child, it is held for the next one, each number once, as the kernel would. It
// does not block, not even while a child is being started.
func (p *Process) Forward(sig syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.child != nil:
		p.forward(p.child, sig)
	case !slices.Contains(p.held, sig):
		p.held = append(p.held, sig)
	}
}

func (p *Process) forward(c *Child, sig syscall.Signal) {
	switch sig {
	case syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGTSTP, syscall.SIGCONT:
		_ = p.signal(c, sig)
	default:
		_ = c.Signal(sig)
	}
}

func (p *Process) signal(c *Child, sig syscall.Signal) error {
	if p.Leader {
		return c.Signal(sig)
	}
	return c.SignalGroup(sig)
}

// Run starts the process and sees it through. It returns nil when the process was asked to
// stop and exited with 0, else the *Exit; *StuckError when KILL did not end it; a
// *StartError, or the error of Spec, when there was no process.
func (p *Process) Run(ctx context.Context, ready func(), stop <-chan struct{}) error {
	if stopping(ctx, stop) {
		return nil
	}
	spec, err := p.Spec()
	if err != nil {
		return err
	}
	wait, disarm, err := p.Ready.prepare(&spec)
	if err != nil {
		return fmt.Errorf("start %s: %w", spec.Name, err)
	}
	defer disarm()
	c, err := p.start(spec)
	if err != nil {
		return err
	}
	defer p.forget()
	p.report(event.Exec{Name: c.name, PID: c.pid})

	watch, mind := p.watch(ctx, c, wait, ready), p.mind(c)
	left, asked, err := p.await(ctx, c, stop)
	watch()
	mind()
	if err != nil { // it is stuck, and so would be everything that waits for it
		return err
	}
	exit := c.Exit()
	p.report(event.Exit{Name: c.name, PID: c.pid, Status: exit.Status(), Signal: signame.Of(exit.Signal), PeakBytes: exit.MaxRSS})
	p.clear(ctx, c, left, asked)
	if p.OnExit != nil {
		p.OnExit(exit)
	}
	if asked && exit.Status() == 0 {
		return nil
	}
	return &exit
}

func (p *Process) start(spec Spec) (*Child, error) {
	spec.turns = true
	c, err := p.Sup.Start(spec)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.child = c
	for _, sig := range p.held {
		p.forward(c, sig)
	}
	p.held = nil
	return c, nil
}

func (p *Process) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.child = nil
}

// watch runs the readiness probe beside the child. The function that it returns ends the
// probe and waits for it.
func (p *Process) watch(ctx context.Context, c *Child, wait waitFunc, ready func()) func() {
	if wait == nil {
		ready()
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.probe(ctx, c, wait, ready)
	}()
	return func() { cancel(); <-done }
}

func (p *Process) probe(ctx context.Context, c *Child, wait waitFunc, ready func()) {
	if p.ReadyTimeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, p.ReadyTimeout, errReadyTimeout)
		defer cancel()
	}
	var last error
	p.report(p.Ready.waiting(nil))
	err := wait(ctx, func(err error) {
		if last == nil || last.Error() != err.Error() {
			p.report(p.Ready.waiting(err))
		}
		last = err
	})
	p.report(event.WaitOver{})
	switch {
	case err == nil:
		ready()
	case context.Cause(ctx) == errReadyTimeout && p.GiveUp != nil:
		p.GiveUp(&NotReady{Name: c.name, What: p.Ready.what, Timeout: p.ReadyTimeout, Last: last})
	}
}

// await blocks until the leader has ended. left is what the stop budget still allows.
func (p *Process) await(ctx context.Context, c *Child, stop <-chan struct{}) (left time.Duration, asked bool, err error) {
	select {
	case <-c.Done():
		return p.grace(stragglerGrace), false, nil
	case <-ctx.Done():
		select {
		case <-stop: // both, as on a busy machine: what was asked first is done first
		default:
			return 0, true, p.kill(ctx, c, "at once")
		}
	case <-stop:
	}
	sig, begun, grace := p.stopSignal(), time.Now(), p.grace(1<<62)
	if err := p.signal(c, sig); err != nil && p.Log != nil {
		p.Log.Warn("cannot send the stop signal", "name", c.name, "pid", c.pid, "signal", signame.Of(sig), "error", err)
	}
	_ = p.signal(c, syscall.SIGCONT) // a stopped process keeps the stop signal pending until then
	budget := time.NewTimer(grace)
	defer budget.Stop()
	select {
	case <-c.Done():
		return max(0, grace-time.Since(begun)), true, nil
	case <-budget.C:
	case <-ctx.Done(): // the task's budget, which may end with ours, or somebody in a hurry
		grace = time.Since(begun).Round(time.Millisecond)
	}
	return 0, true, p.kill(ctx, c, fmt.Sprintf("%.1f s after %s", grace.Seconds(), signame.Of(sig)))
}

func (p *Process) kill(ctx context.Context, c *Child, when string) error {
	if !c.Dying() {
		p.report(event.Killed{Name: c.name, PID: c.pid, When: when})
	}
	return c.kill(ctx, killWait, p.grace(heldWait))
}

// clear ends the rest of the group within left; a done ctx cuts it short. Processes that had
// TERM with the leader may still be shutting down, and a second TERM makes some programs quit
// at once: they have half of left before it is sent.
func (p *Process) clear(ctx context.Context, c *Child, left time.Duration, asked bool) {
	defer context.AfterFunc(ctx, func() { _ = c.SignalGroup(syscall.SIGKILL) })()
	if asked && !p.Leader && p.stopSignal() == syscall.SIGTERM {
		left /= 2
		c.waitEmpty(left)
	}
	limit := killWait
	if ctx.Err() != nil {
		limit = hurry
	}
	for _, straggler := range c.clear(left, limit) {
		p.report(event.Killed{Name: c.name, Process: straggler.String(), When: "left behind in its group"})
	}
}

func (p *Process) stopSignal() syscall.Signal {
	if p.Signal == nil {
		return syscall.SIGTERM
	}
	return p.Signal()
}

func (p *Process) grace(limit time.Duration) time.Duration {
	if p.Grace == nil {
		return limit
	}
	return min(limit, max(0, p.Grace()))
}

func (p *Process) report(e event.Event) { p.Report.Or()(e) }
