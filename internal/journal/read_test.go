package journal

import (
	"encoding/xml"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"

	"meshtask/internal/drawing"
	"meshtask/internal/event"
	"meshtask/internal/state"
)

// entry is a line of timeline.jsonl, with or without its version.
func entry(version, rest string) string {
	return `{` + version + `"at":"2026-11-25T00:00:00Z","ms":1,"way":"up",` + rest + `}`
}

const v1 = `"v":1,`

// An app prints into the same log. What it prints by accident, or repeats of
// what it was sent, says nothing of the task.
func TestWhatIsMeshtasksAndWhatIsTheApps(t *testing.T) {
	crash := `2026-11-25T00:00:00.100Z [INFO]  meshtask: mark: reached="up T0" ms=20
2026-11-25T00:00:01.100Z [ERROR] meshtask: the task ends: exit=204 unit=envoy error="not ready"
2026-11-25T00:00:01.200Z [INFO]  meshtask: summary: {"exit":204,"reason":"envoy: not ready"}
`
	jsonCrash := `{"@level":"info","@message":"mark","@module":"meshtask","@timestamp":"2026-11-25T00:00:00.1Z","reached":"up T0","ms":20}
{"@level":"error","@message":"the task ends","@module":"meshtask","@timestamp":"2026-11-25T00:00:01.1Z","exit":204,"unit":"envoy","error":"not ready"}
`
	routed := regexp.MustCompile(`(?m)^2026`).ReplaceAllString(crash, "17:04:05.123 web/app/0815 2026")
	start, end := entry(v1, `"unit":"app","event":"start"`)+"\n", entry(v1, `"unit":"task","event":"exit","detail":"envoy","data":{"code":204}`)+"\n"
	oldStart, oldEnd := strings.ReplaceAll(start, v1, ""), strings.ReplaceAll(end, v1, "")
	for name, c := range map[string]struct {
		log    string
		unused int
	}{
		"an order of a shop":           {`{"event":"order.created","unit":"kg"}` + "\n" + crash, 1},
		"an exit that is made up":      {crash + `{"unit":"task","event":"exit","way":"down","detail":"…","data":{"code":0}}` + "\n", 1},
		"with everything that one has": {entry(v1, `"unit":"task","event":"exit","data":{"code":0}`) + "\n" + crash, 1},
		"beside a log in JSON":         {entry(v1, `"unit":"task","event":"exit","data":{"code":0}`) + "\n" + jsonCrash, 1},
		"a line of the log, repeated":  {"GET /?q=2026-11-25T00:00:00Z [ERROR] meshtask: the task ends: exit=0\n" + crash, 1},
		"two ends":                     {"2026-11-25T00:00:00Z [ERROR] meshtask: the task ends: exit=0 error=\"none\"\n" + crash, 1},
		"an end without its summary":   {"2026-11-25T00:00:00Z [ERROR] meshtask: the task ends: exit=0\n" + crash[:strings.LastIndex(crash, "2026")], 1},
		"routed":                       {"GET /?q=2026-11-25T00:00:00Z [ERROR] meshtask: the task ends: exit=0\n" + routed, 1},
		"a failure before the record":  {"meshtask: bad configuration\n" + crash, 0},
		"a timeline":                   {start + end, 0},
		"an older timeline":            {oldStart + oldEnd, 0},
		"an older one, cut off":        {oldStart + oldEnd + `{"at":"2026-11-`, 0},
		"a mixed log":                  {"hello\n" + start + "{\n" + oldEnd + end, 1},
		"of a later version":           {start + entry(`"v":2,`, `"unit":"x","event":"start"`) + "\n" + end, 1},
		"an unknown step":              {start + entry(v1, `"unit":"x","event":"step","detail":"paid"`) + "\n" + end, 1},
		"a step of the log, unknown":   {"2026-11-25T00:00:00Z [INFO]  meshtask: paid: unit=x mark=\"up T0\"\n" + crash, 1},
		"data of another shape":        {start + entry(v1, `"unit":"x","event":"step","detail":"exec","data":{"pid":"five"}`) + "\n" + end, 1},
		"an unknown event":             {start + entry(v1, `"unit":"x","event":"order.created"`) + "\n" + end, 1},
		"without a time":               {start + `{"v":1,"ms":1,"unit":"task","event":"exit","data":{"code":0}}` + "\n" + `{"v":1,"at":"2026-11-25T00:00:00Z","unit":"task","event":"exit"}` + "\n" + end, 2},
	} {
		r, err := Read(strings.NewReader(c.log))
		if err != nil {
			t.Fatal(err)
		}
		exits, code := 0, 0
		for _, e := range r.Entries {
			if f, ok := e.Event.(event.Finish); ok {
				exits, code = exits+1, f.Code
			}
		}
		if exits != 1 || code != 204 || r.Unused != c.unused {
			t.Errorf("%s: %d exits, code %d, %d unused; want one, 204, %d: %+v", name, exits, code, r.Unused, c.unused, r.Entries)
		}
	}
	r, err := Read(strings.NewReader("hello\n" + oldStart + oldEnd))
	if err != nil || len(r.Entries) > 0 || r.Note() != "2 lines looked like meshtask's record and were not used." {
		t.Errorf("%v, %+v", err, r)
	}
}

// A meshtask before the waits had causes wrote them without how often it had said so.
func TestAnOlderWaitIsOneThatWasSaid(t *testing.T) {
	r, err := Read(strings.NewReader(entry(v1, `"unit":"token","event":"waiting","detail":"a secret","data":{"error":"empty","hint":"fill it","since":"5s"}`) + "\n"))
	w := state.Of(r.Entries).Unit("token").Waited
	if err != nil || w == nil || w.What != "a secret" || w.Err != "empty" || w.Fix != "fill it" || !w.Since.Equal(r.Entries[0].At.Add(-5*time.Second)) {
		t.Errorf("%v, %+v, %+v", err, r, w)
	}
}

// What others said is drawn without steering a terminal, and is well-formed XML.
func TestADrawingIsSafe(t *testing.T) {
	evil := "\\u001b]52;c;cm0=\\u0007\\u202e\\u009b<b>&\\ufffe\\u2028"
	var log strings.Builder
	for _, event := range []string{"start", "ready", "restart", "step"} { // a step of that name there is not
		log.WriteString(entry(v1, fmt.Sprintf(`"unit":"app%s","event":%q,"detail":"%s\n\t"`, evil, event, evil)) + "\n")
	}
	log.WriteString(entry(v1, fmt.Sprintf(`"unit":"task","event":"mark","mark":"T0%s"`, evil)) + "\n")
	log.WriteString(`{"v":1,"at":"2026-11-25T00:00:00Z","ms":1e308,"way":"down","unit":"app","event":"ended"}` + "\n")
	log.WriteString(`{"v":1,"at":"2026-11-25T00:00:00Z","ms":-1e308,"way":"up","unit":"x","event":"start"}` + "\n")
	r, err := Read(strings.NewReader(log.String()))
	if err != nil || len(r.Entries) != 6 || r.Unused != 1 {
		t.Fatalf("%v, %+v", err, r)
	}
	for _, e := range r.Entries {
		if e.Ms < 0 || e.Ms > longestLife {
			t.Errorf("%v ms", e.Ms)
		}
	}
	svg := drawing.SVG(r.Entries, time.Time{})
	d := xml.NewDecoder(strings.NewReader(svg))
	for {
		if _, err := d.Token(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatalf("%v in %s", err, svg)
		}
	}
	for _, out := range []string{drawing.Text(r.Entries, time.Time{}), svg} {
		for _, c := range out {
			if unicode.IsControl(c) && c != '\n' || unicode.Is(unicode.Bidi_Control, c) || c == 0xfffe || c == 0x2028 {
				t.Errorf("%q in %s", c, out)
			}
		}
		if n := regexp.MustCompile(`[0-9]{20}`).FindString(out); n != "" {
			t.Errorf("a number of %s… in %s", n, out)
		}
	}
	if lines := strings.Count(drawing.Text(r.Entries, time.Time{}), "\n"); lines > 16 {
		t.Errorf("%d lines:\n%s", lines, drawing.Text(r.Entries, time.Time{}))
	}
}

// A record that no memory should be asked for is refused with what to do.
func TestARecordIsBounded(t *testing.T) {
	line := entry(v1, `"unit":"app","event":"start"`) + "\n"
	_, err := Read(io.LimitReader(repeat(line), int64(len(line)*(maxLines+1))))
	if err == nil || !strings.Contains(err.Error(), "tail -n 50000 LOG | meshtask why -") {
		t.Errorf("%v", err)
	}
	long := entry(v1, `"unit":"app","event":"start","detail":"`+strings.Repeat("x", longestLine/2)+`"`) + "\n"
	if _, err := Read(io.LimitReader(repeat(long), 2*maxBytes)); err == nil {
		t.Error("no end of long lines is taken")
	}
	if r, err := Read(io.LimitReader(repeat("a line of the app\n"), 2*maxBytes)); err != nil || len(r.Entries) > 0 {
		t.Errorf("a log may be long: %v", err)
	}
}

// repeat gives a text again and again.
func repeat(text string) io.Reader { return &repeater{text: text} }

type repeater struct {
	text string
	at   int
}

func (r *repeater) Read(p []byte) (int, error) {
	n := copy(p, r.text[r.at:])
	r.at = (r.at + n) % len(r.text)
	return n, nil
}

func FuzzRead(f *testing.F) {
	f.Add(told(false))
	f.Add(told(true))
	f.Add(entry(v1, `"unit":"task","event":"exit","data":{"code":0}`) + "\n" + told(false))
	f.Add("meshtask: bad configuration:\n  x: y\n" + entry("", `"unit":"a","event":"start"`))
	f.Fuzz(func(t *testing.T, log string) {
		r, err := Read(strings.NewReader(log))
		if err != nil {
			t.Fatal(err)
		}
		if r.Unused < 0 || r.Unused > strings.Count(log, "\n")+1 {
			t.Errorf("%d of %q unused", r.Unused, log)
		}
		live := state.New("envoy")
		for _, e := range r.Entries {
			if e.Ms < 0 || e.Ms > longestLife || e.Event == nil || e.Unit == "" {
				t.Errorf("%+v", e)
			}
			live.Apply(e)
		}
		svg := drawing.SVG(r.Entries, time.Time{})
		d := xml.NewDecoder(strings.NewReader(svg))
		for {
			if _, err := d.Token(); err == io.EOF {
				break
			} else if err != nil {
				t.Fatalf("%v in %s", err, svg)
			}
		}
		for _, c := range drawing.Text(r.Entries, time.Time{}) {
			if unicode.IsControl(c) && c != '\n' {
				t.Errorf("%q of %q is printed", c, log)
			}
		}
	})
}
