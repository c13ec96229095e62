package health

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"meshtask/internal/ask"
	"meshtask/supervisor"
)

// Starter starts a child process; *supervisor.Supervisor is one.
type Starter interface {
	Start(supervisor.Spec) (*supervisor.Child, error)
}

// ProbeConfig is an ECS healthCheck object, and what its command needs to run; or a question
// in place of a command. Bounds are ECS's and checked where the configuration is read.
type ProbeConfig struct {
	Container   string        // the name under which results are reported
	Command     []string      // CMD and an argument vector, or CMD-SHELL and one line for /bin/sh -c
	Ask         ask.Question  // instead of a command
	Asks        string        // what it asks for, such as "http http://127.0.0.1:8080/health"
	Interval    time.Duration // between the end of one probe and the next; 0: 30 s
	Timeout     time.Duration // of one probe; 0: 5 s
	Retries     int           // consecutive failures that make it unhealthy; 0: 3
	StartPeriod time.Duration // failures in it do not count until a first success; 0: off

	Env   func() []string // whole environment of the command, asked at each; nil: none
	Path  string          // PATH on which CMD's program is looked up
	Dir   string
	User  *supervisor.User
	Start Starter
	Log   hclog.Logger
}

// Probe is the source for the own app: ECS's health check semantics, in-process. It differs
// in one point: the first probe runs at once, not one interval late.
type Probe struct {
	cfg ProbeConfig
}

// outputLimit is what ECS keeps of a probe's output.
const outputLimit = 1024

// NewProbe fills in ECS's defaults. The error says what is wrong with the command.
func NewProbe(cfg ProbeConfig) (*Probe, error) {
	switch {
	case cfg.Ask != nil:
	case len(cfg.Command) < 2:
		return nil, errors.New("health.app.command: must be CMD or CMD-SHELL and a command")
	case cfg.Command[0] == "CMD-SHELL" && len(cfg.Command) > 2:
		return nil, errors.New("health.app.command: CMD-SHELL takes one string")
	case cfg.Command[0] != "CMD" && cfg.Command[0] != "CMD-SHELL":
		return nil, fmt.Errorf("health.app.command: must begin with CMD or CMD-SHELL, got %q", cfg.Command[0])
	}
	if cfg.Interval <= 0 {
		cfg.Interval = 30 * time.Second
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = 5 * time.Second
	}
	if cfg.Retries <= 0 {
		cfg.Retries = 3
	}
	if cfg.Env == nil {
		cfg.Env = func() []string { return nil }
	}
	if cfg.Log == nil {
		cfg.Log = hclog.NewNullLogger()
	}
	return &Probe{cfg: cfg}, nil
}

// Run probes one life of the app until ctx is done: it then kills the probe that runs, with
// its group, and returns when that is gone. Probes never overlap. report is called when the
// verdict changes; its output is that of the probe that changed it, and stays.
func (p *Probe) Run(ctx context.Context, report func(container string, state State)) {
	began := time.Now()
	verdict := verdict{}
	var stuck *supervisor.Child // a probe that KILL did not end; none runs beside it
	for ctx.Err() == nil {
		start := time.Now()
		var result result
		if stuck, result = p.once(ctx, stuck); stuck != nil {
			p.cfg.Log.Warn("a health check does not end", "how", result.how)
		}
		if ctx.Err() != nil {
			return
		}
		p.cfg.Log.Debug("probe ended", "ok", result.ok, "how", result.how, "after", time.Since(start))
		next := verdict.next(result.ok, start.Sub(began) < p.cfg.StartPeriod, p.cfg.Retries)
		if next.word() != verdict.word() {
			report(p.cfg.Container, next.state(result))
		}
		verdict = next
		select {
		case <-ctx.Done():
			return
		case <-time.After(p.cfg.Interval):
		}
	}
}

// verdict is the health of the app after some probes. Zero: none has ended yet.
type verdict struct {
	health string // "" until decided
	tried  bool
	streak int // consecutive failures that count
}

// next is docker's rule: one success heals; a failure counts unless it falls into the start
// period of an app that has never succeeded.
func (v verdict) next(ok, inStartPeriod bool, retries int) verdict {
	if ok {
		return verdict{health: "HEALTHY", tried: true}
	}
	v.tried = true
	if v.health == "" && inStartPeriod {
		return v
	}
	v.streak++
	if v.streak >= retries {
		v.health = "UNHEALTHY"
	}
	return v
}

func (v verdict) word() string {
	switch {
	case v.health != "":
		return v.health
	case v.tried:
		return "UNKNOWN, not healthy yet"
	}
	return ""
}

func (v verdict) state(r result) State {
	s := State{Status: Critical, Output: "health check of the app: " + v.word() + ", " + r.how}
	if v.health == "HEALTHY" {
		s.Status = Passing
	}
	if r.output != "" {
		s.Output += ": " + r.output
	}
	return s
}

// result of one probe.
type result struct {
	ok     bool
	how    string // "exit code 1", "exceeded its timeout of 5s", …
	output string // at most outputLimit bytes
}

// once asks, or runs the command to its end, to its timeout or until ctx is done. It returns a
// child that KILL did not end, and does nothing more until that child has ended.
func (p *Probe) once(ctx context.Context, stuck *supervisor.Child) (*supervisor.Child, result) {
	if stuck != nil {
		select {
		case <-stuck.Done():
			stuck.Clear(0)
		default:
			return stuck, result{how: fmt.Sprintf("an earlier health check, pid %d, is still there after KILL", stuck.PID())}
		}
	}
	if p.cfg.Ask != nil {
		return nil, p.ask(ctx)
	}
	argv, err := p.argv()
	if err != nil {
		return nil, result{how: err.Error()}
	}
	var out capture
	child, err := p.cfg.Start.Start(supervisor.Spec{
		Name: "health check", Argv: argv, Env: p.cfg.Env(), Dir: p.cfg.Dir, User: p.cfg.User, Lines: out.line,
	})
	if err != nil {
		return nil, result{how: err.Error()}
	}
	late := time.NewTimer(p.cfg.Timeout)
	defer late.Stop()
	how := ""
	select {
	case <-child.Done():
	case <-ctx.Done():
		how = "stopped"
	case <-late.C:
		how = fmt.Sprintf("exceeded its timeout of %v", p.cfg.Timeout)
	}
	if how != "" {
		if err := child.Kill(ctx, nil, 0); err != nil {
			return child, result{how: how + ", and " + err.Error(), output: out.text()}
		}
	}
	child.Clear(0)
	if how != "" {
		return nil, result{how: how, output: out.text()}
	}
	exit := child.Exit()
	return nil, result{ok: exit.Status() == 0, how: fmt.Sprintf("exit code %d", exit.Status()), output: out.text()}
}

// ask asks once, within the timeout.
func (p *Probe) ask(ctx context.Context) result {
	ctx, cancel := context.WithTimeout(ctx, p.cfg.Timeout)
	defer cancel()
	err := p.cfg.Ask(ctx)
	switch {
	case err == nil:
		return result{ok: true, how: p.cfg.Asks}
	case ctx.Err() != nil:
		return result{how: fmt.Sprintf("%s: exceeded its timeout of %v", p.cfg.Asks, p.cfg.Timeout)}
	}
	return result{how: p.cfg.Asks, output: firstOf(err.Error())}
}

// firstOf is what ECS would keep of a text.
func firstOf(text string) string { return strings.ToValidUTF8(text[:min(len(text), outputLimit)], "") }

func (p *Probe) argv() ([]string, error) {
	if p.cfg.Command[0] == "CMD-SHELL" {
		return []string{"/bin/sh", "-c", p.cfg.Command[1]}, nil
	}
	file, err := supervisor.LookIn(p.cfg.Dir, p.cfg.Command[1], p.cfg.Path)
	if err != nil {
		return nil, err
	}
	return append([]string{file}, p.cfg.Command[2:]...), nil
}

// capture keeps the beginning of a child's output.
type capture struct {
	mu  sync.Mutex
	buf []byte
}

func (c *capture) line(_ int, line []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.buf) > 0 {
		c.buf = append(c.buf, '\n')
	}
	c.buf = append(c.buf, line...)
	c.buf = c.buf[:min(len(c.buf), outputLimit)]
}

func (c *capture) text() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.ToValidUTF8(string(c.buf), "")
}
