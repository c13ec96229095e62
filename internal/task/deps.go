package task

import (
	"context"
	"os"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"

	"meshtask/internal/ecs"
	"meshtask/internal/linewriter"
	"meshtask/internal/plan"
	"meshtask/internal/state"
	"meshtask/internal/statedir"
	"meshtask/supervisor"
)

// Deps is what a task needs of the process that it runs in.
type Deps struct {
	Begin    time.Time // of the process
	Version  string    // of meshtask
	Env      []string  // the whole environment
	Stdin    *os.File
	Stdout   *os.File
	Stderr   *os.File
	Signals  <-chan os.Signal // every signal that a user may send
	Relayed  <-chan struct{}  // closed once all of them come by Signals; nil: they do
	Children <-chan os.Signal // SIGCHLD

	Kind     plan.Kind        // of the plan that will be made
	StopOn   []syscall.Signal // of it too: signals that begin a stop, besides TERM, INT and QUIT
	Metadata string           // address of the task metadata endpoint; "": there is none
	Local    ecs.Identity     // who we are without one

	Dir  *statedir.Dir      // nil: the run writes nothing
	Log  hclog.Logger       // our own lines
	JSON bool               // Log writes JSON
	Out  *linewriter.Writer // where Log and the children's lines go

	// AtRest is called once, a while behind the start of the app, when most of ours has been done
	// for the last time. nil: nothing is to be done then.
	AtRest func() error

	// Before runs ahead of T0, beside the signals; what it returns is called when the task
	// has ended. nil: nothing. It is for `meshtask dev`.
	Before func(ctx context.Context, t Tools) (end func(), err error)
}

// Tools are what Before may use.
type Tools struct {
	Plan   *plan.Plan
	Dir    *statedir.Dir
	Consul func() (path string, err error)
	Log    hclog.Logger
	// Start starts a child whose lines are printed with its name.
	Start func(name string, argv, env []string) (*supervisor.Child, error)
}

// Outcome is how a task has ended.
type Outcome struct {
	Code    int
	Err     error // why it was given up, or could not begin; nil for every other end
	Summary state.Summary
	Started bool // something had been started: Err has been logged
}

// Planner makes the plan of a task, once it is known who we are. Its error ends the task
// before anything has started.
type Planner func(ecs.Identity) (*plan.Plan, error)
