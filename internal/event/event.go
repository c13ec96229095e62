// Package event is the closed set of what can happen in the life of a task, and of the
// causes that can end it or hold it up.
//
// Units report events (Report), the runtime adds those of the whole task, and package
// journal records them all. Everything that is said of a task is derived from them. The
// package knows no unit's insides and does nothing by itself.
package event

import "time"

// Event is one thing that happened. The types of this package are all there are.
type Event interface {
	// words are the event's name in timeline.jsonl and its detail there.
	words() (name, detail string)
}

// Report tells of one unit's events. It may be called from any goroutine and does not
// block. Reports are recorded in the order in which they are made.
type Report func(Event)

// None drops every event: the Report of a unit that nobody listens to.
func None(Event) {}

// Or is r, or None where r is nil.
func (r Report) Or() Report {
	if r == nil {
		return None
	}
	return r
}

// What the conductor decides and is told, for each unit.
type (
	// Start: the unit has been started.
	Start struct{}
	// Ready: units that need it may start.
	Ready struct{}
	// Stop: the unit has been asked to end. Moot: it was ended at once, because its wait
	// protected nothing any more.
	Stop struct {
		Moot bool `json:"-"`
	}
	// Ended: the unit has ended, and what it started. Err is empty for a good end.
	Ended struct {
		Err string `json:"-"`
	}
	// Killed: a process was sent KILL.
	Killed struct {
		Name    string `json:"-"`                 // of the unit, or of the process
		PID     int    `json:"pid,omitempty"`     // 0: the conductor's order, before the unit carries it out
		Process string `json:"process,omitempty"` // of a process that the child had left behind
		When    string `json:"when,omitempty"`    // such as "10s after TERM"
	}
)

// What happens to a unit's process.
type (
	// Exec: the process has been executed.
	Exec struct {
		Name string `json:"name,omitempty"`
		PID  int    `json:"pid"`
	}
	// Exit: the process has ended. Status is the shell's: the code, or 128 + the signal.
	Exit struct {
		Name      string `json:"name,omitempty"`
		PID       int    `json:"pid"`
		Status    int    `json:"status"`
		Signal    string `json:"signal,omitempty"`
		PeakBytes int64  `json:"peak_bytes"`
	}
	// Restart: the process ended unasked and is started again after After.
	Restart struct {
		Reason string        `json:"-"`
		N      int           `json:"restart"` // within the policy's window
		Max    int           `json:"max"`
		After  time.Duration `json:"-"`
		How    string        `json:"how,omitempty"`    // how the process ended: "exited with 1"
		Signal string        `json:"signal,omitempty"` // that ended it
		Said   string        `json:"said,omitempty"`   // its last words, where they may tell why
	}
	// Serving: this life of the process is ready. The unit's Ready comes once; this at each life.
	Serving struct {
		Again bool `json:"again,omitempty"` // after a restart
	}
	// Hung: the process runs, but has not answered for a while; the unit counts as down.
	Hung struct {
		Err string `json:"error,omitempty"`
	}
	// Answers: a process that hung answers again.
	Answers struct{}
	// Suspended: the process is stopped by a signal, and does nothing until it is continued.
	Suspended struct {
		Signal string `json:"signal"`
		PID    int    `json:"pid"`
		Fix    string `json:"hint,omitempty"` // what usually makes it go on
	}
	// Resumed: it goes on.
	Resumed struct{}
	// OutOfMemory: the kernel has killed for want of memory since the last look.
	OutOfMemory struct {
		Process string `json:"process"` // the child that ended then
		Kills   int64  `json:"kills"`
	}
)

// The steps of the units, in the order of a life.
type (
	// Joined: the agent has joined and knows a leader. Agent is the address of one that
	// someone else runs.
	Joined struct {
		Agent string `json:"agent,omitempty"`
	}
	// Registered: service and sidecar are registered at the agent. Service is its name.
	Registered struct {
		Service string `json:"service,omitempty"`
	}
	// Listener: the public listener is bound.
	Listener struct {
		Address string `json:"address,omitempty"`
	}
	// Passing: every check is passing, acknowledged by the agent.
	Passing struct{}
	// Critical: every check is critical, acknowledged by the agent.
	Critical struct {
		Reason string `json:"reason,omitempty"`
	}
	// AppHealthy: the app is well, whatever the rest of the task is. Check: health.app says so.
	AppHealthy struct {
		Check bool `json:"check,omitempty"`
	}
	// AppUnhealthy: it is not.
	AppUnhealthy struct {
		Reason string `json:"reason,omitempty"`
		Check  bool   `json:"check,omitempty"`
	}
	// Condition: what holds of a running task, and no other event tells, has changed.
	Condition struct {
		Name   string `json:"name"`
		OK     bool   `json:"ok"`
		Healed bool   `json:"healed,omitempty"` // it did not hold before
		Code   Code   `json:"code,omitempty"`   // why it does not hold
		Reason string `json:"reason,omitempty"` // likewise, in the words of who was asked
		Facts  Facts  `json:"facts,omitempty"`
	}
	// Removed: the instance is out of the servers' catalog.
	Removed struct{}
	// Drained: the drain of the inbound listeners is over.
	Drained struct {
		Start    int64   `json:"start"` // in flight when it began
		End      int64   `json:"end"`   // cut when it ended
		Ms       float64 `json:"ms"`
		Protocol string  `json:"protocol,omitempty"`
		Why      string  `json:"why,omitempty"` // empty, maximum, cut, or "envoy has gone"
	}
	// Deregistered: service and sidecar have been taken from the agent.
	Deregistered struct {
		Result string `json:"result"` // verified, unverified or skipped
	}
	// Left: the agent has left the cluster.
	Left struct {
		Result string  `json:"result"` // verified, unverified or skipped
		Reason string  `json:"reason,omitempty"`
		Ms     float64 `json:"ms,omitempty"`
	}
	// Renewed: another token is in use.
	Renewed struct {
		Of       string `json:"of,omitempty"` // service or agent
		Accessor string `json:"accessor,omitempty"`
	}
)

// What siblings' leases do. Unnoted counts the like that were not recorded before it: a flood
// of leases fills nothing.
type (
	// Lease: a sibling holds a lease.
	Lease struct {
		Name    string `json:"name"`
		Unnoted int    `json:"unnoted,omitempty"`
	}
	// LeasesKept: app containers are given up on, the leases stay.
	LeasesKept struct {
		Names string `json:"names"`
	}
	// LeaseEnded: a sibling's app has ended with Code.
	LeaseEnded struct {
		Code    int    `json:"code"`
		Name    string `json:"name"`
		Unnoted int    `json:"unnoted,omitempty"`
	}
	// LeaseLost: a lease's connection ended without a word.
	LeaseLost struct {
		Name    string `json:"name"`
		Unnoted int    `json:"unnoted,omitempty"`
	}
	// LeaseRefused: somebody asked for a lease who may not have one.
	LeaseRefused struct {
		Name    string `json:"name,omitempty"`
		Reason  string `json:"why,omitempty"`
		Unnoted int    `json:"unnoted,omitempty"`
	}
	// LeaseForgotten: a lost lease is not waited for any more.
	LeaseForgotten struct {
		Name    string `json:"name"`
		Unnoted int    `json:"unnoted,omitempty"`
	}
)

// What units wait for.
type (
	// Waiting: the unit waits for What. Units report it when it begins and when Err changes,
	// with neither Since nor Said; the runtime repeats it every five seconds, with for how
	// long, and how often it has said so.
	Waiting struct {
		Code  Code          `json:"code,omitempty"`
		What  string        `json:"-"`
		Err   string        `json:"error,omitempty"` // of the last try
		Fix   string        `json:"hint,omitempty"`  // what usually fixes it
		Facts Facts         `json:"facts,omitempty"`
		Since time.Duration `json:"-"`
		Said  int           `json:"said,omitempty"`
	}
	// WaitOver: the unit does not wait any more.
	WaitOver struct{}
)

// What happens to the whole task.
type (
	// Mark: the page's mark T0 to T4 of the way that the task is on has been reached.
	Mark struct {
		Name string `json:"-"`
	}
	// Shutdown: the stop has begun.
	Shutdown struct {
		Cause string `json:"-"` // a signal's short name, or an error's text
	}
	// StopReason: why the task has been asked to stop, by those who asked.
	StopReason struct {
		Code  Code  `json:"code"`
		Facts Facts `json:"facts,omitempty"`
	}
	// Finish: the task has ended, or was refused.
	Finish struct {
		Cause string `json:"-"`              // what began its end
		Code  int    `json:"code"`           // UnknownCode where only a line without it is left
		Unit  string `json:"unit,omitempty"` // whose end it was
		Why   Code   `json:"cause,omitempty"`
		Facts Facts  `json:"facts,omitempty"`
	}
)

func (Start) words() (string, string)     { return "start", "" }
func (Ready) words() (string, string)     { return "ready", "" }
func (e Ended) words() (string, string)   { return "ended", e.Err }
func (e Killed) words() (string, string)  { return "killed", e.Name }
func (e Restart) words() (string, string) { return "restart", e.Reason }

func (e Stop) words() (string, string) {
	if e.Moot {
		return "stop", "moot"
	}
	return "stop", ""
}

func (Exec) words() (string, string)           { return step, "exec" }
func (Exit) words() (string, string)           { return step, "exit" }
func (Serving) words() (string, string)        { return step, "serving" }
func (Hung) words() (string, string)           { return step, "hung" }
func (Answers) words() (string, string)        { return step, "answers" }
func (Suspended) words() (string, string)      { return step, "suspended" }
func (Resumed) words() (string, string)        { return step, "resumed" }
func (OutOfMemory) words() (string, string)    { return step, "oom" }
func (Joined) words() (string, string)         { return step, "joined" }
func (Registered) words() (string, string)     { return step, "registered" }
func (Listener) words() (string, string)       { return step, "listener" }
func (Passing) words() (string, string)        { return step, "passing" }
func (Critical) words() (string, string)       { return step, "critical" }
func (AppHealthy) words() (string, string)     { return step, "app-healthy" }
func (AppUnhealthy) words() (string, string)   { return step, "app-unhealthy" }
func (Condition) words() (string, string)      { return step, "condition" }
func (Removed) words() (string, string)        { return step, "removed" }
func (Drained) words() (string, string)        { return step, "drained" }
func (Deregistered) words() (string, string)   { return step, "deregistered" }
func (Left) words() (string, string)           { return step, "left" }
func (Renewed) words() (string, string)        { return step, "renewed" }
func (StopReason) words() (string, string)     { return step, "stop-reason" }
func (Lease) words() (string, string)          { return step, "lease" }
func (LeasesKept) words() (string, string)     { return step, "lease-kept" }
func (LeaseEnded) words() (string, string)     { return step, "lease-ended" }
func (LeaseLost) words() (string, string)      { return step, "lease-lost" }
func (LeaseRefused) words() (string, string)   { return step, "lease-refused" }
func (LeaseForgotten) words() (string, string) { return step, "lease-forgotten" }

func (e Waiting) words() (string, string)  { return "waiting", e.What }
func (WaitOver) words() (string, string)   { return "waited", "" }
func (e Mark) words() (string, string)     { return "mark", "" }
func (e Shutdown) words() (string, string) { return "shutdown", e.Cause }
func (e Finish) words() (string, string)   { return "exit", e.Cause }

const step = "step"

// UnknownCode is the exit code of a task that said why it ended, and not with which code.
const UnknownCode = -1
