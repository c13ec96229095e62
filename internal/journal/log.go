package journal

import (
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"meshtask/internal/event"
	"meshtask/internal/state"
)

// The words of the log's lines that are not those of the record.
const (
	logEnds    = "the task ends"
	logSummary = "summary"
)

// logReader turns a task's own log lines, text or JSON, back into the entries that they
// were made of. What a log level left out is not there.
type logReader struct {
	out          []raw
	way          string
	begin        time.Time // of the process, by the first line that tells
	exit         int       // where in out an exit with its reason is, plus 1
	sum          *state.Summary
	contradicted int // lines that contradict what is used
}

// line takes one line of the log; many say nothing of the record.
func (l *logReader) line(line ownLine) {
	if line.message == logSummary {
		text := []byte(line.rest)
		if line.data != nil {
			text, _ = json.Marshal(line.data) // it was one
		}
		l.summary(line.at, text)
		return
	}
	data := line.data
	if data == nil {
		data = parsePairs(line.rest)
		continued(data, line.more)
	}
	for key := range data {
		if strings.HasPrefix(key, "@") {
			delete(data, key)
		}
	}
	l.add(line.at, line.message, data)
}

// continued adds the values of several lines: "  key=", then each line after "  | ". Pairs
// that come after them are on the line behind. An app may print such lines too, so a value
// that is there is not replaced.
func continued(data map[string]any, lines []string) {
	add := func(key string, value any) {
		if _, twice := data[key]; !twice && key != "" {
			data[key] = value
		}
	}
	key, value := "", []string{}
	for _, line := range lines {
		text, more := strings.CutPrefix(line+" ", "| ")
		name, begins := strings.CutSuffix(line, "=")
		switch {
		case more && key != "":
			value = append(value, strings.TrimSuffix(text, " "))
		case begins && !strings.ContainsAny(name, " ="):
			add(key, strings.Join(value, "\n"))
			key, value = name, nil
		case key != "":
			add(key, strings.Join(value, "\n"))
			key = ""
			for k, v := range parsePairs(line) {
				add(k, v)
			}
		default:
			return
		}
	}
	add(key, strings.Join(value, "\n"))
}

// add makes the entry of one line, if it is one of the record.
func (l *logReader) add(at time.Time, message string, data map[string]any) {
	e := raw{At: at, Unit: event.Task, Event: message, Data: data}
	take := func(key string) string {
		s, _ := data[key].(string)
		delete(data, key)
		return s
	}
	switch message {
	case wordMark:
		e.Way, e.Mark, _ = strings.Cut(take("reached"), " ")
		if ms, ok := data["ms"].(float64); ok && l.begin.IsZero() {
			l.begin = at.Add(-time.Duration(ms * float64(time.Millisecond)))
		}
		delete(data, "ms")
	case wordShutdown:
		e.Detail, l.way = take("cause"), event.Down
	case logEnds:
		e.Event, e.Detail = wordExit, take("error")
		data["code"] = data["exit"]
		delete(data, "exit")
		l.drop() // of two ends the last one is ours: nobody writes after it
	case wordWaiting:
		if e.Unit, e.Detail = take("unit"), take("for"); e.Unit == "" {
			return
		}
		if code := take("cause"); code != "" {
			data["code"] = code
		}
		data["said"] = 1
	case wordStopReason:
		e.Event, e.Detail = wordStep, wordStopReason
		data["code"] = take("cause")
		delete(data, "unit")
	default:
		mark := take("mark")
		if e.Unit = take("unit"); e.Unit == "" || mark == "" {
			return
		}
		_, e.Mark, _ = strings.Cut(mark, " ")
		switch message {
		case wordCondition:
			e.Event, e.Detail = wordStep, wordCondition
			if code := take("cause"); code != "" {
				data["code"] = code
			}
		case wordStart, wordReady, wordStop:
		case wordEnded:
			e.Detail = take("how")
		case wordRestart:
			e.Detail = take("reason")
		case wordKilled:
			e.Detail = take("what")
		default:
			e.Event, e.Detail = wordStep, message
		}
	}
	if e.Way == "" {
		e.Way = l.way
	}
	l.out = append(l.out, e)
	if e.Event == wordExit {
		l.exit = len(l.out)
	}
}

// drop takes an exit back that a later line contradicts.
func (l *logReader) drop() {
	if l.exit > 0 {
		l.out = slices.Delete(l.out, l.exit-1, l.exit)
		l.exit = 0
		l.contradicted++
	}
}

// summary is the last line: it has the code where no line before it did.
func (l *logReader) summary(at time.Time, text []byte) {
	var s state.Summary
	if json.Unmarshal(text, &s) != nil {
		return
	}
	l.sum = &s
	if l.exit > 0 && int(l.out[l.exit-1].int("code")) == s.Exit {
		return
	}
	l.drop()
	l.out = append(l.out, raw{At: at, Way: l.way, Unit: event.Task, Event: wordExit, Detail: s.Reason, Data: map[string]any{"code": s.Exit}})
	l.exit = len(l.out)
}

// entries are all, with their time since the process began.
func (l *logReader) entries() []raw {
	if l.sum != nil {
		l.complete(l.sum)
	}
	for i := range l.out {
		e := &l.out[i]
		e.Detail = strings.TrimSpace(e.Detail)
		if l.begin.IsZero() {
			l.begin = e.At
		}
		if !e.At.IsZero() {
			e.Ms = min(max(0, float64(e.At.Sub(l.begin).Microseconds())/1000), longestLife)
		}
	}
	return l.out
}

// complete adds what the summary alone tells, because the log's level left its line out.
func (l *logReader) complete(s *state.Summary) {
	down, stopped := s.Marks[event.Down]["T0"]
	known := map[string]bool{}
	key := func(e raw) string {
		if e.Event == wordStep {
			return e.Unit + " " + e.Detail
		}
		if e.Event == wordMark {
			return e.Way + " " + e.Mark
		}
		return e.Unit + " " + e.Event
	}
	for _, e := range l.out {
		known[key(e)] = true
	}
	add := func(e raw) {
		if e.Way == "" {
			e.Way = event.Up
			if stopped && e.Ms >= down {
				e.Way = event.Down
			}
		}
		if known[key(e)] || e.Ms <= 0 || math.IsNaN(e.Ms) || l.begin.IsZero() {
			return
		}
		e.Ms = min(e.Ms, longestLife)
		e.At = l.begin.Add(time.Duration(e.Ms * float64(time.Millisecond)))
		l.out = append(l.out, e)
	}
	for _, way := range slices.Sorted(maps.Keys(s.Marks)) {
		for _, mark := range slices.Sorted(maps.Keys(s.Marks[way])) {
			add(raw{Way: way, Mark: mark, Unit: event.Task, Event: wordMark, Ms: s.Marks[way][mark]})
		}
	}
	for _, unit := range slices.Sorted(maps.Keys(s.Units)) {
		life := s.Units[unit]
		if life == nil || unit == "" {
			continue
		}
		add(raw{Unit: unit, Event: wordStart, Ms: life.Start})
		for _, word := range slices.Sorted(maps.Keys(life.Steps)) {
			add(raw{Unit: unit, Event: wordStep, Detail: word, Ms: life.Steps[word], Data: stepData(word, s)})
		}
		add(raw{Unit: unit, Event: wordReady, Ms: life.Ready})
		add(raw{Unit: unit, Event: wordStop, Ms: life.Stop})
		add(raw{Unit: unit, Event: wordEnded, Ms: life.Ended})
	}
	slices.SortStableFunc(l.out, func(a, b raw) int { return a.At.Compare(b.At) })
}

// stepData is what the summary has of a step's data.
func stepData(word string, s *state.Summary) map[string]any {
	switch word {
	case "deregistered":
		return map[string]any{"result": s.Deregistered}
	case "left":
		return map[string]any{"result": s.Left}
	}
	return nil
}

// parsePairs reads key=value as hclog writes it.
func parsePairs(s string) map[string]any {
	out := map[string]any{}
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimLeft(s, " ") {
		key, rest, ok := strings.Cut(s, "=")
		if !ok {
			break
		}
		end := len(rest)
		if text, n := unquoted(rest); n > 0 {
			out[key], s = text, rest[n:]
			continue
		} else if strings.HasPrefix(rest, "[") {
			end = strings.IndexByte(rest, ']') + 1
		} else if i := strings.IndexByte(rest, ' '); i >= 0 {
			end = i
		}
		if end == 0 {
			end = len(rest)
		}
		if n, err := strconv.ParseFloat(rest[:end], 64); err == nil && !math.IsNaN(n) && !math.IsInf(n, 0) {
			out[key] = n
		} else if word := rest[:end]; word == "true" || word == "false" {
			out[key] = word == "true"
		} else {
			out[key] = word
		}
		s = rest[end:]
	}
	return out
}

// unquoted is the text in the quotes that s begins with, and how much of s it takes; 0 where
// it begins with none. hclog leaves a backslash as it is: one that begins no escape is one.
func unquoted(s string) (text string, n int) {
	if quoted, err := strconv.QuotedPrefix(s); err == nil {
		text, _ = strconv.Unquote(quoted)
		return text, len(quoted)
	}
	for i := 1; i < len(s) && s[0] == '"'; i++ {
		if s[i] == '"' && s[i-1] != '\\' {
			return strings.ReplaceAll(s[1:i], `\"`, `"`), i + 1
		}
	}
	return "", 0
}
