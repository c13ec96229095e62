package emf

import (
	"strings"
	"time"

	"meshtask/internal/event"
	"meshtask/internal/metrics"
	"meshtask/internal/usage"
)

// Field is one metric of the lines.
type Field struct {
	Name, Unit, Help string
}

// row is a field, and how it is told.
type row[T any] struct {
	Field
	of func(T) (value float64, ok bool)
}

// Property is a member of a line that is no metric.
type Property struct{ Name, Help string }

// IntervalFields are the metrics of a line of the interval.
func IntervalFields() []Field { return fields(intervalRows()) }

// LifeFields are those of the line of a life.
func LifeFields() []Field { return fields(lifeRows()) }

// Properties are the other members of both.
func Properties() []Property {
	return []Property{
		{"_aws", "what CloudWatch needs: Timestamp, and Namespace, Dimensions and Metrics of the line"},
		{"Line", "`interval` or `life`"},
		{"Cluster", "the cluster's name; a dimension"},
		{"Service", "the service's name, without one the task's family; a dimension"},
		{"TaskId", "the task's ID"},
		{"Version", "of meshtask"},
		{"State", "of an interval: STARTING, RUNNING or STOPPING"},
		{"Failing", "of an interval: the conditions that do not hold, ten at most"},
		{"Exit", "of a life: the exit code"},
		{"Reason", "of a life: what began its end"},
		{"Code", "of a life: why it ended, by a code of the closed set"},
		{"Cause", "of a life: the same in a sentence"},
		{"Fix", "of a life: what to do, if anything"},
	}
}

func fields[T any](rows []row[T]) []Field {
	var out []Field
	for _, r := range rows {
		out = append(out, r.Field)
	}
	return out
}

func intervalRows() []row[Interval] {
	now := func(f func(metrics.Snapshot) float64) func(Interval) (float64, bool) {
		return func(i Interval) (float64, bool) { return f(i.Now), true }
	}
	counted := func(f func(metrics.Snapshot) float64) func(Interval) (float64, bool) {
		return func(i Interval) (float64, bool) {
			var before float64
			if i.Before != nil {
				before = f(*i.Before)
			}
			return since(f(i.Now), before), true
		}
	}
	rows := []row[Interval]{
		{Field{"Up", "Count", "1 when T2 was reached and no stop began, else 0"}, now(func(s metrics.Snapshot) float64 { return truth(s.Up) })},
		{Field{"Healthy", "Count", "1 when the task is up and its app healthy, else 0"}, now(func(s metrics.Snapshot) float64 { return truth(s.Healthy) })},
		{Field{"FailingConditions", "Count", "how many conditions do not hold"}, now(func(s metrics.Snapshot) float64 { return float64(len(s.Failing())) })},
		{Field{"Restarts", "Count", "restarts of processes since the line before"}, counted(func(s metrics.Snapshot) float64 { return float64(s.Restarts()) })},
		{Field{"OutOfMemoryKills", "Count", "processes that the kernel killed for want of memory since the line before"}, counted(func(s metrics.Snapshot) float64 { return float64(s.OOM) })},
		{Field{"SyncWriteFailures", "Count", "check statuses that the agent did not take since the line before"}, counted(func(s metrics.Snapshot) float64 {
			if s.Writes == nil {
				return 0
			}
			return float64(s.Writes.Failed)
		})},
		{Field{"MetadataFailures", "Count", "requests to the task metadata endpoint that failed since the line before"}, counted(func(s metrics.Snapshot) (n float64) {
			for result, count := range s.Requests {
				if result != "ok" {
					n += float64(count)
				}
			}
			return n
		})},
		{Field{"LogLinesDropped", "Count", "lines that were dropped since the line before"}, counted(func(s metrics.Snapshot) float64 { return float64(s.LinesLost) })},
		{Field{"Uptime", "Seconds", "since the process began"}, now(func(s metrics.Snapshot) float64 { return s.Uptime.Seconds() })},
	}
	for _, process := range processes() {
		rows = append(rows,
			row[Interval]{Field{camel(process) + "Memory", "Bytes", "resident memory of " + of(process)}, func(i Interval) (float64, bool) {
				u, ok := find(i.Now, process)
				return float64(u.Memory), ok
			}},
			row[Interval]{Field{camel(process) + "CPU", "Percent", "of one core, since the line before, of " + of(process)}, func(i Interval) (float64, bool) {
				if i.Before == nil || i.Passed < time.Millisecond {
					return 0, false
				}
				u, ok := find(i.Now, process)
				before, too := find(*i.Before, process)
				return 100 * since(u.CPU, before.CPU) / i.Passed.Seconds(), ok && too
			}})
	}
	return rows
}

func lifeRows() []row[Life] {
	always := func(f func(Life) float64) func(Life) (float64, bool) {
		return func(l Life) (float64, bool) { return f(l), true }
	}
	drained := func(f func(Life) float64) func(Life) (float64, bool) {
		return func(l Life) (float64, bool) { return f(l), l.Summary.Drain.Ms > 0 }
	}
	rows := []row[Life]{
		{Field{"Lives", "Count", "1"}, always(func(Life) float64 { return 1 })},
		{Field{"FailedLives", "Count", "1 when `meshtask why` has anything to say of this life but `ok`, else 0"}, always(func(l Life) float64 { return failed(l.Summary) })},
		{Field{"StartTime", "Seconds", "from the process's begin to T2; absent when it was not reached"}, func(l Life) (float64, bool) { return reached(l.Summary, event.Up, "T2") }},
		{Field{"StopTime", "Seconds", "from the stop's begin to the end"}, func(l Life) (float64, bool) { return l.Stopped.Seconds(), l.Interrupted }},
		{Field{"LifeTime", "Seconds", "from the process's begin to its end"}, always(func(l Life) float64 { return l.Lasted.Seconds() })},
		{Field{"Restarts", "Count", "restarts of processes since the last line of the interval, so that a sum over all lines counts each once"}, always(func(l Life) float64 {
			var n, before int
			for _, r := range l.Summary.Restarts {
				n += r
			}
			if l.Before != nil {
				before = l.Before.Restarts()
			}
			return since(float64(n), float64(before))
		})},
		{Field{"OutOfMemoryKills", "Count", "processes that the kernel killed for want of memory, likewise"}, always(func(l Life) float64 {
			var before int64
			if l.Before != nil {
				before = l.Before.OOM
			}
			return since(float64(l.OOM), float64(before))
		})},
		{Field{"Killed", "Count", "units that were sent KILL in the stop"}, always(func(l Life) float64 { return float64(len(l.Summary.Killed)) })},
		{Field{"Unverified", "Count", "what the servers were not seen to do at the end: the deregistration, the node's leave"}, always(func(l Life) float64 { return unverified(l.Summary) })},
		{Field{"DrainTime", "Seconds", "how long the drain of the inbound listeners took; absent without one"}, drained(func(l Life) float64 { return float64(l.Summary.Drain.Ms) / 1000 })},
		{Field{"DrainInFlight", "Count", "requests (of tcp: connections) in flight when it began"}, drained(func(l Life) float64 { return float64(l.Summary.Drain.Start) })},
		{Field{"DrainCut", "Count", "of these, those that were cut"}, drained(func(l Life) float64 { return float64(l.Summary.Drain.End) })},
	}
	for _, process := range processes()[1:] {
		rows = append(rows, row[Life]{Field{camel(process) + "PeakMemory", "Bytes", "the most that " + peak(process) + " had resident"}, func(l Life) (float64, bool) {
			n := l.Summary.PeakBytes[process]
			return float64(n), n > 0
		}})
	}
	return rows
}

// processes are meshtask, and the units that have one.
func processes() []string { return []string{"meshtask", "consul-agent", "envoy", "app"} }

// camel is a unit as a metric of CloudWatch's is called.
func camel(unit string) (out string) {
	for word := range strings.SplitSeq(unit, "-") {
		out += strings.ToUpper(word[:1]) + word[1:]
	}
	return out
}

// of names whose memory or time it is.
func of(process string) string {
	if process == "meshtask" {
		return "meshtask itself"
	}
	return "the process group of " + process
}

// peak names whose peak the kernel tells.
func peak(process string) string { return "the largest process of " + process }

func find(s metrics.Snapshot, process string) (usage.Usage, bool) {
	for _, u := range s.Processes {
		if u.Name == process {
			return u, true
		}
	}
	return usage.Usage{}, false
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
