// Package emf makes lines in CloudWatch's embedded metric format: JSON objects in a log, which
// CloudWatch Logs takes metrics from. The format is that of
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
//
// It is pure: from numbers to bytes. It does not know when a line is due, nor where it goes.
package emf

import (
	"encoding/json"
	"math"
	"slices"
	"time"

	"meshtask/internal/event"
	"meshtask/internal/metrics"
	"meshtask/internal/state"
)

// Identity is what every line says of the task. Cluster and Service are the dimensions of every
// metric, so they bound how many there are; the rest is to be searched for.
type Identity struct{ Namespace, Cluster, Service, Task, Version string }

// Interval is what a line of the interval is made of.
type Interval struct {
	Now    metrics.Snapshot
	Before *metrics.Snapshot // of the line before; nil: there was none
	Passed time.Duration     // since then
}

// Life is what the line of a whole life is made of.
type Life struct {
	Summary     state.Summary
	Before      *metrics.Snapshot // of the last line of the interval; nil: there was none
	OOM         int64             // processes that the kernel has killed for want of memory, in the whole life
	Lasted      time.Duration     // of the process
	Stopped     time.Duration     // from the stop's begin to the end
	Interrupted bool              // a stop had begun
}

// maxNames and maxText bound a list of names, and a text in runes: a line stays one write to a
// pipe.
const (
	maxNames = 10
	maxText  = 300
)

// short is a text that is not too long.
func short(s string) string {
	if r := []rune(s); len(r) > maxText {
		return string(r[:maxText-1]) + "…"
	}
	return s
}

// Line is the line of an interval, without a newline.
func (i Interval) Line(id Identity, at time.Time) []byte {
	failing := i.Now.Failing()
	if len(failing) > maxNames {
		failing = append(slices.Clone(failing[:maxNames]), "…")
	}
	return line(id, at, "interval", intervalRows(), i, map[string]any{"State": i.Now.Phase, "Failing": failing})
}

// Line is the line of a life, without a newline.
func (l Life) Line(id Identity, at time.Time) []byte {
	s := l.Summary
	more := map[string]any{"Exit": s.Exit, "Reason": short(s.Reason)}
	if s.Why != nil {
		more["Code"], more["Cause"], more["Fix"] = string(s.Why.Code), short(s.Why.Cause), short(s.Why.Fix)
	}
	return line(id, at, "life", lifeRows(), l, more)
}

// The document, as the specification calls its parts.
type (
	metadata struct {
		Timestamp         int64
		CloudWatchMetrics []directive
	}
	directive struct {
		Namespace  string
		Dimensions [][]string
		Metrics    []definition
	}
	definition struct{ Name, Unit string }
)

// line is a document with what each row tells.
func line[T any](id Identity, at time.Time, kind string, rows []row[T], from T, doc map[string]any) []byte {
	d := directive{Namespace: id.Namespace, Dimensions: [][]string{{"Cluster", "Service"}}, Metrics: []definition{}}
	for _, r := range rows {
		if v, ok := r.of(from); ok && !math.IsNaN(v) && !math.IsInf(v, 0) {
			doc[r.Name] = math.Round(v*1000) / 1000
			d.Metrics = append(d.Metrics, definition{r.Name, r.Unit})
		}
	}
	doc["_aws"] = metadata{at.UnixMilli(), []directive{d}}
	doc["Line"], doc["Cluster"], doc["Service"], doc["TaskId"], doc["Version"] = kind, id.Cluster, id.Service, id.Task, id.Version
	text, err := json.Marshal(doc)
	if err != nil { // no value of ours has no JSON
		return []byte(err.Error())
	}
	return text
}

// since is what a counter has counted since the line before.
func since(now, before float64) float64 { return max(0, now-before) }

// reached is when a mark was reached.
func reached(s state.Summary, way, mark string) (seconds float64, ok bool) {
	ms, ok := s.Marks[way][mark]
	return ms / 1000, ok
}

func unverified(s state.Summary) float64 {
	var n float64
	for _, result := range []string{s.Deregistered, s.Left} {
		if result == state.Unverified {
			n++
		}
	}
	return n
}

func failed(s state.Summary) float64 {
	if s.Why == nil || s.Why.Code != event.OK {
		return 1
	}
	return 0
}
