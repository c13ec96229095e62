package consulagent

import (
	"bytes"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

// lines reads the agent's log: its lines are our events.
type lines struct {
	least  hclog.Level
	output func(stream int, level hclog.Level, line string)

	mu      sync.Mutex
	now     events
	changed chan struct{} // closed and made anew at each change of now
}

// events are what an agent has said of itself.
type events struct {
	running bool      // signals are heard from now on
	joined  bool      // it has met a server
	refused time.Time // when the latest join failed
	leaving bool      // a leave has begun
	trouble []string  // the latest warnings and errors, oldest first
}

const troubles = 3 // kept for error messages

func newLines(level string, output func(int, hclog.Level, string)) *lines {
	least := hclog.LevelFromString(level)
	if least == hclog.NoLevel {
		least = hclog.Warn
	}
	return &lines{least: least, output: output, changed: make(chan struct{})}
}

// line takes one line of the child.
func (l *lines) line(stream int, line []byte) {
	level, text := parse(line)
	if level >= l.least || level == hclog.NoLevel && stream == 2 {
		l.output(stream, level, string(line))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case strings.Contains(text, "Consul agent running!"):
		l.now.running = true
	case strings.Contains(text, "adding server"), strings.Contains(text, "Join cluster completed"):
		l.now.joined = true
	case strings.Contains(text, "Join cluster failed"):
		l.now.refused = time.Now()
	case strings.Contains(text, "Gracefully shutting down"):
		l.now.leaving = true
	case level < hclog.Warn && (level != hclog.NoLevel || stream != 2):
		return
	}
	if level >= hclog.Warn || level == hclog.NoLevel && stream == 2 {
		l.note(text)
	}
	close(l.changed)
	l.changed = make(chan struct{})
}

// note keeps one line of trouble; what repeats itself is kept once.
func (l *lines) note(text string) {
	kept := l.now.trouble
	if text == "" || len(kept) > 0 && kept[len(kept)-1] == text {
		return
	}
	fresh := append([]string(nil), kept[max(0, len(kept)-troubles+1):]...)
	l.now.trouble = append(fresh, text)
}

// state is what is known, and a channel that is closed when that changes.
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

// parse splits "2026-11-24T21:37:00.123Z [WARN]  agent: text"; NoLevel and the whole line
// where there is no level.
func parse(line []byte) (hclog.Level, string) {
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
