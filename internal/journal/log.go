package journal

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The words of the log's lines that are not those of the record.
const (
	logEnds    = "the task ends"
	logSummary = "summary"
)

// logReader turns a task's own log lines, text or JSON, back into the entries that they
// were made of. What a log level left out is not there.
type logReader struct {
	out      []Entry
	way      string
	begin    time.Time // of the process, by the first line that tells
	exit     int       // where in out an exit with its reason is, plus 1
	doubtful int       // lines that contradict what is used
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
	}
	for key := range data {
		if strings.HasPrefix(key, "@") {
			delete(data, key)
		}
	}
	if l.add(line.at, line.message, data) {
		l.continued(data, line.more)
	}
}

// continued has a value of several lines: "  key=", then each line after "  | ".
func (l *logReader) continued(data map[string]any, lines []string) {
	e := &l.out[len(l.out)-1]
	key, value := "", []string{}
	end := func() {
		text := strings.Join(value, "\n")
		if key == "error" || key == "how" || key == "reason" {
			e.Detail = strings.TrimPrefix(e.Detail+"\n"+text, "\n")
		} else if key != "" {
			data[key] = text
		}
	}
	for _, line := range lines {
		if name, ok := strings.CutSuffix(line, "="); ok && !strings.HasPrefix(line, "| ") {
			end()
			key, value = name, nil
			continue
		}
		value = append(value, strings.TrimPrefix(line, "| "))
	}
	end()
}

// add makes the entry of one line, if it is one of the record.
func (l *logReader) add(at time.Time, message string, data map[string]any) bool {
	e := Entry{At: at, Unit: Task, Event: message, Data: data}
	take := func(key string) string {
		s, _ := data[key].(string)
		delete(data, key)
		return s
	}
	switch message {
	case Mark:
		e.Way, e.Mark, _ = strings.Cut(take("reached"), " ")
		if ms, ok := data["ms"].(float64); ok && l.begin.IsZero() {
			l.begin = at.Add(-time.Duration(ms * float64(time.Millisecond)))
		}
		delete(data, "ms")
	case Shutdown:
		e.Detail, l.way = take("cause"), Down
	case logEnds:
		e.Event, e.Detail = Exit, take("error")
		data["code"] = data["exit"]
		l.drop() // of two ends the last one is ours: nobody writes after it
	case Waiting:
		if e.Unit, e.Detail = take("unit"), take("for"); e.Unit == "" {
			return false
		}
	default:
		mark := take("mark")
		if e.Unit = take("unit"); e.Unit == "" || mark == "" {
			return false
		}
		_, e.Mark, _ = strings.Cut(mark, " ")
		switch message {
		case Start, Ready, Stop:
		case Ended:
			e.Detail = take("how")
		case Restart:
			e.Detail = take("reason")
		case Killed:
			e.Detail = take("what")
		default:
			e.Event, e.Detail = Step, message
		}
	}
	if e.Way == "" {
		e.Way = l.way
	}
	l.out = append(l.out, e)
	if e.Event == Exit {
		l.exit = len(l.out)
	}
	return true
}

// drop takes an exit back that a later line contradicts.
func (l *logReader) drop() {
	if l.exit > 0 {
		l.out = slices.Delete(l.out, l.exit-1, l.exit)
		l.exit = 0
		l.doubtful++
	}
}

// summary is the last line: it has the code where no line before it did.
func (l *logReader) summary(at time.Time, text []byte) {
	s := NewSummary()
	if json.Unmarshal(text, s) != nil {
		return
	}
	if l.exit > 0 && int(l.out[l.exit-1].Int("code")) == s.Exit {
		return
	}
	l.drop()
	l.out = append(l.out, Entry{At: at, Way: l.way, Unit: Task, Event: Exit, Detail: s.Reason, Data: map[string]any{"code": s.Exit}})
	l.exit = len(l.out)
}

// entries are all, with their time since the process began.
func (l *logReader) entries() []Entry {
	for i := range l.out {
		e := &l.out[i]
		e.Detail = strings.TrimSpace(e.Detail)
		if l.begin.IsZero() {
			l.begin = e.At
		}
		if !e.At.IsZero() {
			e.Ms = min(max(0, ms(e.At.Sub(l.begin))), longestLife)
		}
	}
	return l.out
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
		if quoted, err := strconv.QuotedPrefix(rest); err == nil {
			out[key], _ = strconv.Unquote(quoted)
			s = rest[len(quoted):]
			continue
		} else if strings.HasPrefix(rest, "[") {
			end = strings.IndexByte(rest, ']') + 1
		} else if i := strings.IndexByte(rest, ' '); i >= 0 {
			end = i
		}
		if end == 0 {
			end = len(rest)
		}
		if n, err := strconv.ParseFloat(rest[:end], 64); err == nil {
			out[key] = n
		} else {
			out[key] = rest[:end]
		}
		s = rest[end:]
	}
	return out
}
