package journal

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"meshtask/internal/event"
	"meshtask/internal/state"
)

// Record is a life read back.
type Record struct {
	Entries []event.Entry
	Lines   int        // of what was read, whoever wrote them
	Unused  int        // lines that looked like meshtask's record and were not used
	Why     *state.Why // what the task itself said at its end; nil: it did not
}

// Note says what was not used, in a sentence; "" when everything was.
func (r Record) Note() string {
	switch r.Unused {
	case 0:
		return ""
	case 1:
		return "1 line looked like meshtask's record and was not used."
	}
	return fmt.Sprintf("%d lines looked like meshtask's record and were not used.", r.Unused)
}

// The limits of what a reader keeps. A record is bounded by these, its log is not.
const (
	longestLine = 1 << 20 // an app may print longer ones
	maxLines    = 100_000
	maxBytes    = 32 << 20
)

var errTooLong = fmt.Errorf("more than %d lines or %d MiB of it are meshtask's record: give its end alone, such as tail -n 50000 LOG | meshtask why -", maxLines, maxBytes>>20)

// Read reads a life back: from timeline.jsonl, from the task's own log, or from
// a log that has lines of timeline.jsonl among others.
//
// An app prints what it likes into the same log. So the log's own lines, which
// begin with time and level, win over entries; an entry counts only with what
// every entry has, "v" included, which a timeline.jsonl of an older meshtask
// may lack; and lines that begin otherwise than most of ours are not ours.
func Read(r io.Reader) (Record, error) {
	s := scan{text: regexp.MustCompile(`(\d{4}-\d\d-\d\dT[0-9:.]+(?:Z|[+-]\d\d:\d\d)) \[(\w+)\]\s+meshtask: (.*)`)}
	lines := bufio.NewReaderSize(r, longestLine)
	for {
		line, cut, err := lines.ReadLine()
		for cut && err == nil { // too long to be ours
			line = nil
			_, cut, err = lines.ReadLine()
		}
		if errors.Is(err, io.EOF) {
			r := s.record()
			r.Lines = s.lines
			return r, nil
		}
		s.lines++
		if err != nil {
			return s.record(), fmt.Errorf("cannot read the record: %w", err)
		}
		if s.line(line); len(s.own)+len(s.entries)+len(s.failures) > maxLines || s.bytes > maxBytes {
			return Record{}, errTooLong
		}
	}
}

// scan sorts the lines of a log into those that may be meshtask's.
type scan struct {
	text     *regexp.Regexp
	own      []ownLine // of its log
	entries  []found   // of timeline.jsonl
	failures []failure // runs that ended before their record began
	other    int       // lines of anybody else
	broken   bool      // the last line is of those, and may be an entry that is cut off
	bytes    int
	lines    int               // of all
	open     func(more string) // takes the next line when it continues this one
	prefix   []byte            // that a log router has put before this one
}

// failure is the line of a run that ended before its record began. Behind a prefix only its code
// tells it from a line of anybody else.
type failure struct {
	*raw
	prefixed bool
}

// ownLine is one line of meshtask's log. shape is what stands before it, as a
// log router puts it there, without its numbers.
type ownLine struct {
	shape   string
	at      time.Time
	message string
	rest    string         // of a line of text
	data    map[string]any // of a line of JSON
	more    []string       // what continues a line of text
}

// found is an entry, and what it has of an entry's marks.
type found struct {
	raw
	versioned bool
}

// shape is a prefix with its numbers made 0, as lines of one source share it.
func shape(kind string, prefix []byte) string {
	out := []byte(kind)
	for i, b := range prefix {
		digit := b >= '0' && b <= '9'
		switch {
		case !digit:
			out = append(out, b)
		case i == 0 || prefix[i-1] < '0' || prefix[i-1] > '9':
			out = append(out, '0')
		}
	}
	return string(out)
}

func (s *scan) line(line []byte) {
	if more, ok := s.continued(line); ok {
		s.bytes += len(line)
		s.open(more)
		return
	}
	s.open = nil
	switch {
	case len(bytes.TrimSpace(line)) == 0:
		return
	case s.logLine(line), s.object(line):
		s.bytes += len(line)
		s.broken = false
	default:
		s.other++
		s.broken = line[0] == '{'
	}
}

// continued is what a line adds to the one before it, behind a prefix such as that one's.
func (s *scan) continued(line []byte) (more string, ok bool) {
	n := len(s.prefix)
	if s.open == nil || len(line) < n || shape("", line[:n]) != shape("", s.prefix) {
		return "", false
	}
	text, ok := bytes.CutPrefix(line[n:], []byte("  "))
	return string(text), ok
}

// logLine takes a line of text of meshtask's own log, or the line of a run that
// ended before it had one.
func (s *scan) logLine(line []byte) bool {
	if !bytes.Contains(line, []byte("meshtask: ")) {
		return false
	}
	if m := s.text.FindSubmatchIndex(line); m != nil {
		at, err := time.Parse(time.RFC3339Nano, string(line[m[2]:m[3]]))
		if err != nil {
			return false
		}
		message, rest, pairs := bytes.Cut(line[m[6]:m[7]], []byte(": "))
		if !pairs { // the first one may begin on the next line
			message = bytes.TrimSuffix(message, []byte(":"))
		}
		s.own = append(s.own, ownLine{shape: shape("text ", line[:m[0]]), at: at, message: string(message), rest: string(rest)})
		i := len(s.own) - 1
		s.prefix = bytes.Clone(line[:m[0]])
		s.open = func(more string) { s.own[i].more = append(s.own[i].more, more) }
		return true
	}
	prefix, text, _ := bytes.Cut(line, []byte("meshtask: "))
	e := &raw{Way: event.Up, Unit: event.Task, Event: wordExit, Detail: string(text)}
	s.failures = append(s.failures, failure{e, len(prefix) > 0})
	s.prefix = bytes.Clone(prefix)
	s.open = func(more string) { e.Detail += "\n" + more }
	return len(prefix) == 0
}

// object takes a line of timeline.jsonl, or of the log in JSON.
func (s *scan) object(line []byte) bool {
	i := bytes.IndexByte(line, '{')
	if i < 0 || !bytes.Contains(line, []byte(`"event"`)) && !bytes.Contains(line, []byte(`"meshtask"`)) {
		return false
	}
	var head struct {
		V      *int
		At     *time.Time
		Ms     *float64
		Unit   *string
		Event  *string
		Module string `json:"@module"`
	}
	_ = json.Unmarshal(line[i:], &head) // a member of another type is one that is missing
	switch {
	case head.Module == "meshtask":
		var data map[string]any
		if json.Unmarshal(line[i:], &data) != nil {
			return false
		}
		text, _ := data["@timestamp"].(string)
		message, _ := data["@message"].(string)
		at, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			return false
		}
		s.own = append(s.own, ownLine{shape: shape("json ", line[:i]), at: at, message: message, data: data})
	case head.Unit != nil && head.Event != nil && *head.Unit != "" && *head.Event != "":
		f := found{versioned: head.V != nil && *head.V == 1}
		good := json.Unmarshal(line, &f.raw) == nil && head.At != nil && head.Ms != nil && (head.V == nil || f.versioned)
		if !good || !slices.Contains([]string{wordStart, wordReady, wordStop, wordEnded, wordKilled, wordRestart, wordStep, wordWaiting, wordMark, wordShutdown, wordExit}, f.Event) {
			f.raw = raw{}
		}
		f.Ms = min(max(f.Ms, 0), longestLife)
		s.entries = append(s.entries, f)
	default:
		return false
	}
	return true
}

// longestLife bounds the times that are drawn, in ms: thirty years.
const longestLife = 1e12

// record decides which of the lines are used.
func (s *scan) record() Record {
	shapes := map[string]int{}
	common := ""
	for _, l := range s.own {
		shapes[l.shape]++
	}
	for _, l := range s.own { // of two that are as frequent the first
		if shapes[l.shape] > shapes[common] {
			common = l.shape
		}
	}
	log := logReader{way: event.Up}
	for _, l := range s.own {
		if l.shape == common {
			log.line(l)
		}
	}
	var out Record
	if entries := log.entries(); len(entries) > 0 {
		out.add(entries...)
		if log.sum != nil {
			out.Why = log.sum.Why
		}
		if log.exit == 0 { // it had waited, and then did not start
			s.ended(&out, true)
		}
		out.Unused += log.contradicted + len(s.own) - shapes[common] + len(s.entries)
		return out
	}
	if s.broken {
		s.other--
	}
	old := s.other == 0 && len(s.own) == 0 && len(s.failures) == 0 // nobody else wrote here
	for _, f := range s.entries {
		if f.Event != "" && (f.versioned || old) {
			out.add(f.raw)
		} else {
			out.Unused++
		}
	}
	if len(out.Entries) == 0 {
		s.ended(&out, false)
	}
	out.Unused += len(s.own) - shapes[common]
	return out
}

// ended adds the end of a run that did not start. coded: only where the line has a code, which
// tells it from an app's.
func (s *scan) ended(out *Record, coded bool) {
	for _, e := range s.failures {
		text, code := CutCause(e.Detail)
		if code == "" && (e.prefixed || coded) {
			continue
		}
		if code != "" {
			e.Detail, e.Data = text, map[string]any{"cause": string(code), "code": code.Exit()}
		}
		if n := len(out.Entries); n > 0 {
			e.At, e.Ms = out.Entries[n-1].At, out.Entries[n-1].Ms
		}
		out.add(*e.raw)
	}
}

// add takes lines in; what is no event of ours is counted.
func (r *Record) add(lines ...raw) {
	for _, l := range lines {
		e, err := l.entry()
		if err != nil {
			r.Unused++
			continue
		}
		r.Entries = append(r.Entries, e)
	}
}

// raw is an entry before its event is known: a line of timeline.jsonl of any version, or of a
// log.
type raw struct {
	At     time.Time      `json:"at"`
	Ms     float64        `json:"ms"`
	Way    string         `json:"way"`
	Mark   string         `json:"mark,omitempty"`
	Unit   string         `json:"unit"`
	Event  string         `json:"event"`
	Detail string         `json:"detail,omitempty"`
	Data   map[string]any `json:"data,omitempty"`
}

// The names of events, as the record and the log have them.
const (
	wordStart    = "start"
	wordReady    = "ready"
	wordStop     = "stop"
	wordEnded    = "ended"
	wordKilled   = "killed"
	wordRestart  = "restart"
	wordStep     = "step"
	wordWaiting  = "waiting"
	wordMark     = "mark"
	wordShutdown = "shutdown"
	wordExit     = "exit"

	wordCondition  = "condition" // a step's
	wordStopReason = "stop-reason"
)

// withFacts gathers what a log has as fact.NAME; a wait's cause is its code.
func withFacts(data map[string]any) map[string]any {
	facts := map[string]any{}
	for key, value := range data {
		if name, ok := strings.CutPrefix(key, factPrefix); ok {
			facts[name] = fmt.Sprint(value)
			delete(data, key)
		}
	}
	if len(facts) > 0 {
		data["facts"] = facts
	}
	return data
}

// int reads a number of Data, 0 when it is not there.
func (r raw) int(key string) int64 {
	n, _ := r.Data[key].(float64)
	return int64(n)
}

// entry is the line as an entry.
func (r raw) entry() (event.Entry, error) {
	data, err := json.Marshal(withFacts(r.Data))
	if err != nil {
		return event.Entry{}, err
	}
	e, err := event.Parse(r.Event, r.Detail, data)
	if err != nil {
		return event.Entry{}, err
	}
	switch ev := e.(type) {
	case event.Mark:
		e = event.Mark{Name: r.Mark}
	case event.Waiting: // one that is recorded has been said, also where an older record has no count
		ev.Said = max(ev.Said, 1)
		e = ev
	}
	way := r.Way
	if way != event.Down {
		way = event.Up
	}
	return event.Entry{At: r.At, Ms: r.Ms, Way: way, Mark: r.Mark, Unit: r.Unit, Event: e}, nil
}
