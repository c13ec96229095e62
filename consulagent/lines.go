package consulagent

import (
	"bytes"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

// lines reads the agent's log: its lines are our events.
type lines struct {
	minLevel hclog.Level
	output   func(stream int, level hclog.Level, line string)

	mu      sync.Mutex
	now     events
	changed chan struct{} // closed and made anew at each event
	level   hclog.Level   // of the line before
	noted   bool          // that line is the latest trouble
}

// events are what an agent has said of itself.
type events struct {
	version string    // Consul's, from the first words of the agent
	running bool      // signals are heard from about now on
	since   time.Time // of running
	joined  bool      // it has met a server
	met     time.Time // when it did
	refused time.Time // when the latest join failed
	leaving bool      // a leave has begun
	trouble []string  // the latest warnings and errors, oldest first; no event of its own
}

const (
	troubles = 3   // kept for error messages
	maxText  = 512 // of the text of one
)

func newLines(level string, output func(int, hclog.Level, string)) *lines {
	minLevel := hclog.LevelFromString(level)
	if minLevel == hclog.NoLevel {
		minLevel = hclog.Warn
	}
	return &lines{minLevel: minLevel, output: output, changed: make(chan struct{})}
}

// line takes one line of the child.
func (l *lines) line(stream int, line []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	level, text := ParseLine(line)
	if hungUp(text) {
		level = hclog.Info
	}
	more := level == hclog.NoLevel && bytes.HasPrefix(line, []byte("  ")) && l.level != hclog.NoLevel
	if more {
		level = l.level
	}
	l.level = level
	bad := level >= hclog.Warn || level == hclog.NoLevel && stream == 2
	if level >= l.minLevel || bad && level == hclog.NoLevel {
		l.output(stream, level, string(line))
	}
	switch {
	case more:
		l.extend(text)
		return
	case bad:
		l.noted = l.note(text)
	default:
		l.noted = false
	}
	switch {
	case l.now.version == "" && strings.HasPrefix(text, "Version: "):
		l.now.version = strings.TrimPrefix(strings.Trim(strings.TrimPrefix(text, "Version: "), "'\""), "v")
		return
	case strings.Contains(text, "Consul agent running!"):
		l.now.running, l.now.since = true, time.Now()
	case strings.Contains(text, "adding server"), strings.Contains(text, "Join cluster completed"):
		if !l.now.joined {
			l.now.joined, l.now.met = true, time.Now()
		}
	case strings.Contains(text, "Join cluster failed"):
		l.now.refused = time.Now()
	case strings.Contains(text, "Gracefully shutting down"):
		l.now.leaving = true
	default:
		return
	}
	close(l.changed)
	l.changed = make(chan struct{})
}

// note keeps one line of trouble. Lines that say only that the agent has not joined are left
// out: they would push out those that say why.
func (l *lines) note(text string) bool {
	if text == "" || strings.Contains(text, "No known Consul servers") || strings.Contains(text, "No servers available") {
		return false
	}
	kept := l.now.trouble
	kept = slices.DeleteFunc(slices.Clone(kept), func(s string) bool { return strings.HasPrefix(s, text) })
	l.now.trouble = append(kept[max(0, len(kept)-troubles+1):], text)
	return true
}

// extend adds a line that goes on where the line before it ended. Consul spells its tabs.
func (l *lines) extend(text string) {
	text = strings.TrimSpace(strings.ReplaceAll(strings.TrimPrefix(text, "|"), `\t`, " "))
	if !l.noted || text == "" {
		return
	}
	kept := slices.Clone(l.now.trouble)
	if last := &kept[len(kept)-1]; len(*last) < maxText {
		*last += " " + text
	}
	l.now.trouble = kept
}

// state is what is known, and a channel that is closed at the next event.
func (l *lines) state() (events, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.now, l.changed
}

// last is the latest trouble, "" for none.
func (e events) last() string {
	if len(e.trouble) == 0 {
		return ""
	}
	return e.trouble[len(e.trouble)-1]
}

// hungUp says whether a line tells that an Envoy has ended its xDS stream, as each does that
// ends. Consul before 1.22 has that as an error.
func hungUp(text string) bool {
	return strings.Contains(text, "agent.envoy: Error receiving new DeltaDiscoveryRequest") && strings.Contains(text, "code = Canceled")
}

// ParseLine splits a line of the agent's log, "2026-11-24T21:37:00.123Z [WARN]  agent: text", into
// its level and its text; NoLevel and the whole line where there is no level.
func ParseLine(line []byte) (hclog.Level, string) {
	open := bytes.IndexByte(line[:min(len(line), 40)], '[')
	if open >= 0 {
		if level, text, ok := bytes.Cut(line[open+1:], []byte("]")); ok {
			if l := hclog.LevelFromString(string(level)); l != hclog.NoLevel {
				return l, string(bytes.TrimSpace(text))
			}
		}
	}
	return hclog.NoLevel, string(bytes.TrimSpace(bytes.TrimPrefix(line, []byte("==> "))))
}
