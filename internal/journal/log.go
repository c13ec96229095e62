package journal

import (
	"encoding/json"
	"regexp"
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
	text  *regexp.Regexp
	out   []Entry
	way   string
	begin time.Time // of the process, by the first line that tells
	ended bool      // an exit with its reason is in out
	open  func(more string)
}

func newLogReader() *logReader {
	return &logReader{way: Up, text: regexp.MustCompile(`(\d{4}-\d\d-\d\dT[0-9:.]+(?:Z|[+-]\d\d:\d\d)) \[(\w+)\]\s+meshtask: (.*)`)}
}

// line takes one line of the log; most are not ours.
func (l *logReader) line(line string) {
	if more, ok := strings.CutPrefix(line, "  "); ok && l.open != nil {
		l.open(more)
		return
	}
	l.open = nil
	if m := l.text.FindStringSubmatch(line); m != nil {
		at, err := time.Parse(time.RFC3339Nano, m[1])
		if err != nil {
			return
		}
		message, rest, _ := strings.Cut(m[3], ": ")
		if message == logSummary {
			l.summary(at, []byte(rest))
			return
		}
		data := parsePairs(rest)
		if l.add(at, message, data) {
			l.continued(data)
		}
		return
	}
	if text, ok := strings.CutPrefix(line, "meshtask: "); ok {
		l.failed(text)
		return
	}
	if i := strings.IndexByte(line, '{'); i >= 0 {
		l.object([]byte(line[i:]))
	}
}

// object takes a line of the log in JSON.
func (l *logReader) object(line []byte) {
	var data map[string]any
	if json.Unmarshal(line, &data) != nil || data["@module"] != "meshtask" {
		return
	}
	text, _ := data["@timestamp"].(string)
	message, _ := data["@message"].(string)
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return
	}
	if message == logSummary {
		l.summary(at, line)
		return
	}
	for key := range data {
		if strings.HasPrefix(key, "@") {
			delete(data, key)
		}
	}
	l.add(at, message, data)
}

// failed is a run that ended before its record began: one line, or a list below it.
func (l *logReader) failed(text string) {
	l.out = append(l.out, Entry{Way: Up, Unit: Task, Event: Exit, Detail: text})
	e := &l.out[len(l.out)-1]
	l.open = func(more string) { e.Detail += "\n" + more }
}

// continued has a value of several lines: "  key=", then each line after "  | ".
func (l *logReader) continued(data map[string]any) {
	e, key := &l.out[len(l.out)-1], ""
	l.open = func(more string) {
		if name, ok := strings.CutSuffix(more, "="); ok && !strings.HasPrefix(more, "| ") {
			key = name
			return
		}
		text := strings.TrimPrefix(more, "| ")
		if key == "error" || key == "how" || key == "reason" {
			e.Detail = strings.TrimPrefix(e.Detail+"\n"+text, "\n")
		} else if data != nil && key != "" {
			old, _ := data[key].(string)
			data[key] = strings.TrimPrefix(old+"\n"+text, "\n")
		}
	}
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
		e.Event, e.Detail, l.ended = Exit, take("error"), true
		data["code"] = data["exit"]
	case Waiting:
		e.Unit, e.Detail = take("unit"), take("for")
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
	return true
}

// summary is the last line: it has the code where no line before it did.
func (l *logReader) summary(at time.Time, text []byte) {
	s := NewSummary()
	if json.Unmarshal(text, s) != nil || l.ended {
		return
	}
	l.out = append(l.out, Entry{At: at, Way: l.way, Unit: Task, Event: Exit, Detail: s.Reason, Data: map[string]any{"code": s.Exit}})
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
			e.Ms = max(0, ms(e.At.Sub(l.begin)))
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
