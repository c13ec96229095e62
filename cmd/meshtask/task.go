package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/oklog/run"

	"meshtask/internal/admin"
	"meshtask/internal/cgroup"
	"meshtask/internal/config"
	"meshtask/internal/journal"
	"meshtask/internal/linewriter"
	"meshtask/internal/statedir"
	"meshtask/internal/token"
	"meshtask/lifecycle"
	"meshtask/supervisor"
)

// task is one run, from its configuration to its exit code:
//
//	argv, env, file → config → plan → units → conductor + notes → journal → {log, timeline.jsonl, admin, exit code}
type task struct {
	w      *world
	cfg    *config.Config
	log    hclog.Logger
	out    *linewriter.Writer // standard error, line by line
	appOut *linewriter.Writer // standard output, when the app's lines are prefixed; else nil
	dir    *statedir.Dir      // nil with --no-mesh and no --dir
	shared *statedir.Dir      // of bootstrapDir; nil: none, or not usable

	sup     *supervisor.Supervisor
	rows    lifecycle.Timeline
	budget  lifecycle.StopPlan
	runners map[lifecycle.Unit]lifecycle.Runner
	app     *supervisor.Process
	user    *supervisor.User // of the app; nil: ours
	probed  string           // what app.ready.exec executes
	mesh    *mesh            // nil without one of ours
	tokens  *token.Tokens    // once the task knows who it is

	// before runs ahead of T0, beside the signals, for `meshtask dev`; what it
	// returns is called when the task has ended. nil: nothing.
	before func(context.Context, *task) (end func(), err error)

	meshAddr string        // `meshtask app`: where the lease is
	meshWait time.Duration // and how long it may take to be granted

	book    *journal.Journal
	summary *journal.Summary
	alive   *journal.Live
	file    *journal.File
	waits   *waits

	ctx    context.Context
	cancel context.CancelCauseFunc
	hurry  chan struct{}
	relay  relay

	mu       sync.Mutex // guards marker, and lastExit
	marker   *lifecycle.Marker
	lastExit *supervisor.Exit

	stopSig  atomic.Int32 // the signal that asked for the stop
	downAt   atomic.Int64 // ns since begin when the stop began, 0 before
	reached  atomic.Bool  // T2 up
	stopping atomic.Bool
	oomFirst sync.Once
	oomKills atomic.Int64 // of our cgroup, when last looked
}

// conduct runs the units to their end under the top-level group: the task
// actor alone returns by itself, the others serve it until then, and
// interrupts only signal. Order lives in the conductor, never here.
func (t *task) conduct(tcp string) (lifecycle.Outcome, error) {
	var out lifecycle.Outcome
	var g run.Group
	c := lifecycle.Conductor{Timeline: t.rows, Runners: t.runners, KillAfter: t.budget.KillAfter, Observe: t.observe}
	g.Add(func() error {
		out = c.Run(t.ctx, t.hurry)
		return nil
	}, func(error) {}) // the first to return: see beside

	relayed := make(chan struct{})
	g.Add(func() error { t.relay.run(relayed); return nil }, func(error) { close(relayed) })

	if t.dir != nil {
		srv, err := admin.Listen(t.dir.Path(admin.Socket), tcp, t, t.leases())
		if err != nil {
			return out, &giveUp{exitInternal, err}
		}
		g.Add(beside(srv.Serve, srv.Close, func(err error) {
			t.cancel(&giveUp{exitInternal, fmt.Errorf("the admin interface ended: %w", err)})
		}))
	}
	return out, g.Run()
}

// beside is an actor that serves the task for as long as that lives. One that breaks says so
// and stays until it is interrupted: the group ends with its first actor, and the shutdown
// that follows still needs the signal relay.
func beside(serve func() error, stop func(), broke func(error)) (execute func() error, interrupt func(error)) {
	over := make(chan struct{})
	return func() error {
		err := serve()
		select {
		case <-over:
		default:
			broke(err)
			<-over
		}
		return nil
	}, func(error) { close(over); stop() }
}

// signalled wires the relay: what each signal means for this run.
func (t *task) signalled() {
	mesh := t.cfg.Mode != config.NoMesh
	t.relay = relay{
		signals: t.w.signals,
		stops: func(s syscall.Signal) bool {
			return s == syscall.SIGTERM || mesh && (s == syscall.SIGINT || s == syscall.SIGQUIT)
		},
		stop: func(s syscall.Signal) {
			t.stopSig.Store(int32(s))
			t.stopping.Store(true)
			t.cancel(&stopSignal{s})
		},
		again: func(n int, s syscall.Signal) {
			// As a plain init a second TERM is the app's, as with tini.
			if !mesh && n == 2 {
				t.forward(s)
				return
			}
			if !mesh {
				t.impatient()
			}
			t.impatient()
		},
		forward: t.forward,
	}
}

// impatient tells the conductor once; more than it can use are dropped.
func (t *task) impatient() {
	select {
	case t.hurry <- struct{}{}:
	default:
	}
}

// appSignal is what the app gets when it is to stop.
func (t *task) appSignal() syscall.Signal {
	if s := t.cfg.App.StopSignal; s != 0 {
		return syscall.Signal(s)
	}
	if s := t.stopSig.Load(); s != 0 {
		return syscall.Signal(s)
	}
	return syscall.SIGTERM
}

// grace is the unit's share of the stop budget from now on. A stop that began
// with the unit's own end has the whole budget.
func (t *task) grace(u lifecycle.Unit) func() time.Duration {
	return func() time.Duration { return t.budget.Grace(u, t.elapsed()) }
}

// elapsed is the time since the stop began; 0 while none has.
func (t *task) elapsed() time.Duration {
	at := t.downAt.Load()
	if at == 0 {
		return 0
	}
	return time.Since(t.w.begin) - time.Duration(at)
}

// note is the journal of one unit.
func (t *task) note(u lifecycle.Unit) func(event, detail string, kv ...any) {
	return func(event, detail string, kv ...any) {
		exec, exit := event == journal.Step && detail == "exec", event == journal.Step && detail == "exit"
		t.book.Add(string(u), event, detail, kv...)
		switch {
		case exec && u == lifecycle.App:
			t.reach(func(m *lifecycle.Marker) []lifecycle.Reached { return m.Executed() })
		case exit:
			t.blame(u)
		}
		if exec { // beside the start of the first child: what was killed before is not ours
			t.oomFirst.Do(func() { t.oomKills.Store(int64(cgroup.OOMKills(cgroup.Root{}))) })
		}
	}
}

// blame looks at each child's end whether the kernel has killed for want of
// memory since the last one, and names the child that ended.
func (t *task) blame(u lifecycle.Unit) {
	n := int64(cgroup.OOMKills(cgroup.Root{}))
	if before := t.oomKills.Swap(n); n > before {
		t.book.Add(string(u), journal.Step, "oom", "process", string(u), "kills", n-before)
	}
}

// observe journals what the machine was told and what it decided.
func (t *task) observe(e lifecycle.Event, actions []lifecycle.Action) {
	switch e := e.(type) {
	case lifecycle.Ready:
		t.add(e.Unit, journal.Ready, "")
	case lifecycle.Ended:
		t.add(e.Unit, journal.Ended, errText(e.Err))
	}
	for _, a := range actions {
		switch a := a.(type) {
		case lifecycle.Start:
			t.add(a.Unit, journal.Start, "")
		case lifecycle.Shutdown:
			t.stopping.Store(true)
			t.downAt.Store(int64(max(1, time.Since(t.w.begin))))
			t.book.Add(journal.Task, journal.Shutdown, a.Cause.String())
		case lifecycle.Stop:
			t.add(a.Unit, journal.Stop, "")
		case lifecycle.Kill:
			if a.Moot {
				t.add(a.Unit, journal.Stop, "moot")
			} else {
				t.add(a.Unit, journal.Killed, string(a.Unit))
			}
		}
	}
	t.reach(func(m *lifecycle.Marker) []lifecycle.Reached { return m.Observe(e, actions) })
}

func (t *task) add(u lifecycle.Unit, event, detail string) {
	t.book.Add(string(u), event, detail)
}

func (t *task) reach(ask func(*lifecycle.Marker) []lifecycle.Reached) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range ask(t.marker) {
		way := journal.Up
		if r.Down {
			way = journal.Down
		}
		if t.book.Reach(way, r.Mark.String()) && r == (lifecycle.Reached{Mark: lifecycle.T2}) {
			t.reached.Store(true)
		}
	}
}

func errText(err error) string {
	if err == nil || errors.Is(err, context.Canceled) {
		return ""
	}
	return err.Error()
}
