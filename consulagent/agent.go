// Package consulagent runs a task's Consul client agent and speaks to it: its settings, its
// start and join, the registration of service and sidecar, and a leave that leaves nothing
// behind.
//
// It does not know when any of this is to happen, what makes a check pass, or how Envoy works.
package consulagent

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"

	"meshtask/internal/event"
	"meshtask/internal/registration"
	"meshtask/internal/signame"
	"meshtask/supervisor"
)

// Starter starts processes: *supervisor.Supervisor.
type Starter interface {
	Start(supervisor.Spec) (*supervisor.Child, error)
}

// Config is what an Agent needs. Zero values are the defaults named.
type Config struct {
	Path  string                      // executable (see supervisor.Look)
	Agent func() (AgentConfig, error) // asked at each start, when secrets are there
	File  string                      // where its configuration is
	Env   []string                    // whole environment; without CONSUL_*, which would configure it too

	// Write replaces a file of File's directory as a whole, 0600. File is written by it, and
	// AgentConfig.CAFile, which is beside it.
	Write func(name string, data []byte) error

	// Replaces says that the agent's token may become another one while it runs: see Replace.
	Replaces bool

	// Token is used for reads when there is no agent token; nil is none.
	Token func() string

	// JoinTimeout is how long the first life may take to be ready; 0 is 120 s. GiveUp gets
	// a *JoinError with its event.Cause then, while the agent runs on until it is stopped; without GiveUp, Run
	// ends with it. Later lives wait on: servers that are down are no reason to end a task.
	JoinTimeout time.Duration
	GiveUp      func(error)

	// LeaveAtOnce has a leave end within FirstSync of the join without waiting until that is over:
	// for a job, which may be shorter. Once in some hundred such ends the node comes back,
	// without services, until the servers' next reconciliation (60 s).
	LeaveAtOnce bool

	Start  Starter
	Output func(stream int, level hclog.Level, line string) // lines at AgentConfig.LogLevel or above; nil = dropped
	Report event.Report
	Grace  func() time.Duration // from stop to end; nil = 2.5 s
	Log    hclog.Logger         // nil = none
}

// Agent is the unit that runs one client agent. Run may be called again when it has
// returned: the node ID, and the services of this life, are kept then.
type Agent struct {
	c        Config
	recovery string                // of each life; "" where its token stays
	lines    atomic.Pointer[lines] // of the latest life
	life     atomic.Pointer[life]  // the latest
	wiped    bool                  // services and checks of an earlier life are gone
	joined   bool                  // an earlier Run has been ready
}

const (
	joinTimeout   = 120 * time.Second
	graceDefault  = 2500 * time.Millisecond
	retryInterval = time.Second // between two joins
)

// JoinError says that an agent has not joined, or knows no leader, in time.
type JoinError struct {
	Timeout time.Duration
	What    string   // what was waited for
	Last    string   // the last answer of the agent
	Lines   []string // the agent's last warnings and errors
}

func (e *JoinError) Error() string {
	text := fmt.Sprintf("consul-agent is not ready after %v: waited for %s", e.Timeout, e.What)
	if e.Last != "" {
		text += " (" + e.Last + ")"
	}
	if len(e.Lines) > 0 {
		text += "; it says: " + strings.Join(e.Lines, " | ")
	}
	return text + e.advice()
}

// advice is for the one refusal that a setting of ours brings about.
func (e *JoinError) advice() string {
	for _, line := range e.Lines {
		if strings.Contains(line, "x509: certificate is ") && strings.Contains(line, "not server.") {
			return "; give the servers certificates for this name, server.<datacenter>.<domain>, or set consulAgent.verifyServerHostname to false"
		}
	}
	return ""
}

// EndedError says that the agent has ended unasked. It unwraps to a *supervisor.Exit.
type EndedError struct {
	Exit  supervisor.Exit
	Lines []string // its last warnings and errors, or its last lines
}

func (e *EndedError) Error() string { return e.Exit.Error() + e.words() }

func (e *EndedError) words() string {
	if len(e.Lines) == 0 {
		return ""
	}
	return ": " + strings.Join(e.Lines, " | ")
}

func (e *EndedError) Unwrap() error { return &e.Exit }

// New sets the defaults.
func New(c Config) *Agent {
	if c.JoinTimeout == 0 {
		c.JoinTimeout = joinTimeout
	}
	if c.Token == nil {
		c.Token = func() string { return "" }
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
	a := &Agent{c: c}
	if c.Replaces {
		a.recovery = newRecovery()
	}
	return a
}

// life is one process.
type life struct {
	cfg    AgentConfig
	client *Client
	token  atomic.Pointer[string] // the agent's
	child  *supervisor.Child
	lines  *lines
	ready  bool
	atOnce bool
	left   bool // in good order: its KILL is the end of that

	log     hclog.Logger
	service func() string // the service's token
	reader  string        // the token that reads the node, where the agent's does not exist; "": that one does
}

// Run starts the agent and stays until it has ended. It is ready when its API answers, it
// has joined and knows a leader. Its ends are:
//
//   - nil: stop was closed and it has left, seen or not (event.Left says which), or
//     had never joined and was killed; or ctx is done and it was killed;
//   - before exec: the settings are refused, a file cannot be written, or exec fails;
//   - *JoinError, without GiveUp, and *EndedError: it ended unasked. Both have an event.Cause;
//   - *supervisor.StuckError: KILL did not end it; behind a *JoinError, where that was why.
func (a *Agent) Run(ctx context.Context, ready func(), stop <-chan struct{}) error {
	if stopping(ctx, stop) {
		return nil
	}
	l, err := a.start()
	if err != nil {
		return err
	}
	defer l.client.Close()
	defer a.life.Store(nil)
	err = a.watch(ctx, l, ready, stop)
	a.c.Report(event.WaitOver{})
	if stuck := a.end(ctx, l, err); stuck != nil {
		return stuck
	}
	return err
}

// start writes what the agent needs and starts it.
func (a *Agent) start() (*life, error) {
	cfg, err := a.c.Agent()
	if err != nil {
		return nil, err
	}
	cfg.RecoveryToken = a.recovery
	if err := a.prepare(cfg); err != nil {
		return nil, fmt.Errorf("start consul-agent: %w", err)
	}
	l := &life{cfg: cfg, lines: newLines(cfg.LogLevel, a.c.Output), atOnce: a.c.LeaveAtOnce, service: a.c.Token, log: a.c.Log}
	a.lines.Store(l.lines)
	// The agent's token may read and write the node; a service's may only read it.
	token := a.c.Token
	if cfg.AgentToken != "" {
		l.token.Store(&cfg.AgentToken)
		token = func() string { return *l.token.Load() }
	}
	l.client = NewClient(ClientConfig{Address: cfg.http(), Token: token, Node: cfg.NodeName,
		Timeout: leaveCall, Registration: registration.Registration{Partition: cfg.Partition}})
	l.child, err = a.c.Start.Start(supervisor.Spec{Name: "consul-agent",
		Argv: Argv(a.c.Path, a.c.File), Env: a.c.Env, NoCore: true, Lines: l.lines.line})
	if err != nil {
		return nil, err
	}
	a.life.Store(l)
	a.c.Report(event.Exec{Name: "consul-agent", PID: l.child.PID()})
	return l, nil
}

// watch stays with the agent until it has ended, or is to be ended.
func (a *Agent) watch(ctx context.Context, l *life, ready func(), stop <-chan struct{}) error {
	up := watch(ctx, a, l)
	defer func() { up.end() }()
	late := make(<-chan time.Time)
	if !a.joined {
		timer := time.NewTimer(a.c.JoinTimeout)
		defer timer.Stop()
		late = timer.C
	}
	for joined := up.joined; ; {
		select {
		case <-joined:
			joined, late = nil, nil
			a.joined, l.ready = true, true
			a.c.Report(event.Joined{})
			ready()
		case <-late:
			late = nil
			if err := up.late(a.c.JoinTimeout); a.c.GiveUp == nil {
				return err
			} else {
				a.c.GiveUp(err)
			}
		case <-l.child.Done():
			return a.ended(l)
		case <-ctx.Done():
			return nil
		case <-stop:
			up.end()
			a.leave(ctx, l)
			return nil
		}
	}
}

// ended takes the last words of an agent that has ended unasked.
func (a *Agent) ended(l *life) error {
	l.child.Clear(0) // the last lines are read now
	now, _ := l.lines.state()
	words, exit := now.trouble, l.child.Exit()
	if tail := l.child.Tail(); len(words) == 0 && exit.Code != 0 && !a.joined {
		words = tail[max(0, len(tail)-troubles):]
	}
	if exit.Signal == syscall.SIGKILL { // which leaves no time for a word
		words = nil
	}
	end := &EndedError{Exit: exit, Lines: words}
	code := endCause(strings.Join(words, " "))
	facts := append([]string{event.FactHow, exit.How(), event.FactSaid, saying(words)}, factsOf(code, strings.Join(words, " "))...)
	return event.Because(code, end, facts...)
}

// end sees that the process has ended, and everything that it has started; why is what it is
// ended for, if that is a failure.
func (a *Agent) end(ctx context.Context, l *life, why error) error {
	select {
	case <-l.child.Done():
	default:
		if !l.left && !l.child.Dying() {
			a.c.Report(event.Killed{Name: "consul-agent", PID: l.child.PID()})
		}
		if err := l.child.Kill(ctx, why, a.c.Grace()); err != nil {
			return err
		}
	}
	exit := l.child.Exit()
	l.child.Clear(0)
	a.c.Report(event.Exit{Name: "consul-agent", PID: exit.PID, Status: exit.Status(), Signal: signame.Of(exit.Signal), PeakBytes: exit.MaxRSS})
	return nil
}

func stopping(ctx context.Context, stop <-chan struct{}) bool {
	select {
	case <-stop:
		return true
	default:
		return ctx.Err() != nil
	}
}
