package page

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"meshtask/internal/event"
	"meshtask/internal/httplimit"
)

// running is a task whose state the test writes.
type running struct {
	begin time.Time
	feed  *Feed

	mu      sync.Mutex
	task    Task
	entries []event.Entry
	flow    *Flow
	looks   int
}

func (r *running) Now() float64 { return float64(time.Since(r.begin).Milliseconds()) }

func (r *running) Task() Task {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.task
}

func (r *running) Since(n int) ([]event.Entry, int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]event.Entry(nil), r.entries[n:]...), len(r.entries)
}

func (r *running) Flow(context.Context) *Flow {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.looks++
	return r.flow
}

// record is what the journal does.
func (r *running) record(e event.Entry, change func(*Task)) {
	r.mu.Lock()
	r.entries = append(r.entries, e)
	if change != nil {
		change(&r.task)
	}
	r.mu.Unlock()
	r.feed.See(e)
}

// pipes is a listener of connections in memory, whose time is the bubble's.
type pipes struct {
	conns chan net.Conn
	over  chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.over:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { close(p.over); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{} }

// bed serves a task's events as the admin interface does.
type bed struct {
	*running
	pipes *pipes
}

// bubble plays in fake time.
func bubble(t *testing.T, play func(t *testing.T, b *bed)) {
	synctest.Test(t, func(t *testing.T) {
		r := &running{begin: time.Now(), feed: NewFeed(), task: Task{Service: "web", State: "STARTING"}}
		b := &bed{r, &pipes{make(chan net.Conn), make(chan struct{})}}
		s := httplimit.Server(r.feed.Events(r))
		served := make(chan error)
		go func() { served <- s.Serve(b.pipes) }()
		play(t, b)
		_ = s.Close()
		<-served
	})
}

// watcher is one client.
type watcher struct {
	conn   net.Conn
	answer *http.Response
	lines  *bufio.Scanner
}

func (b *bed) ask(t *testing.T, headers string) *watcher {
	t.Helper()
	ours, theirs := net.Pipe()
	b.pipes.conns <- theirs
	go func() { _, _ = io.WriteString(ours, "GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n"+headers+"\r\n") }()
	answer, err := http.ReadResponse(bufio.NewReader(ours), nil)
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(answer.Body)
	lines.Buffer(nil, 1<<20)
	return &watcher{ours, answer, lines}
}

// told is one message.
type told struct {
	name string
	message
	task Task
}

// next reads one; false when the stream has ended.
func (w *watcher) next(t *testing.T) (m told, ok bool) {
	t.Helper()
	for w.lines.Scan() {
		line := w.lines.Text()
		if name, ok := strings.CutPrefix(line, "event: "); ok {
			m.name = name
		}
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			if err := json.Unmarshal([]byte(data), &m.message); err != nil {
				t.Fatalf("%v in %s", err, data)
			}
			if m.Task != nil {
				if err := json.Unmarshal(m.Task, &m.task); err != nil {
					t.Fatal(err)
				}
			}
		}
		if line == "" && m.name != "" {
			return m, true
		}
	}
	return m, false
}

// news is the next message that tells more than the time.
func (w *watcher) news(t *testing.T) told {
	t.Helper()
	for {
		m, ok := w.next(t)
		if !ok {
			t.Fatal("the stream has ended")
		}
		if m.Task != nil || len(m.Entries) > 0 || m.name == "end" {
			return m
		}
	}
}

func TestASnapshotThenWhatChanges(t *testing.T) {
	bubble(t, func(t *testing.T, b *bed) {
		b.record(event.Entry{Ms: 1, Way: event.Up, Unit: "envoy", Event: event.Start{}}, nil)
		w := b.ask(t, "")
		if h := w.answer.Header; w.answer.StatusCode != 200 || h.Get("Content-Type") != "text/event-stream" || h.Get("Cache-Control") != "no-store" || h.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s, %v", w.answer.Status, h)
		}
		if m := w.news(t); m.name != "snapshot" || m.task.Service != "web" || len(m.Entries) != 1 || m.Entries[0].Event != "start" {
			t.Errorf("%+v", m)
		}
		b.record(event.Entry{Ms: 2, Way: event.Up, Unit: "envoy", Event: event.Ready{}}, func(t *Task) { t.State = "RUNNING" })
		state, entries := "", 0 // that come in one message, or in two: a look may fall between them
		for state == "" || entries == 0 {
			m := w.news(t)
			if m.name != "change" || m.Task != nil && state != "" || len(m.Entries) > 0 && (entries > 0 || m.Entries[0].Event != "ready") {
				t.Fatalf("%+v", m)
			}
			state, entries = state+m.task.State, entries+len(m.Entries)
		}
		if state != "RUNNING" || entries != 1 {
			t.Errorf("state %s, %d entries", state, entries)
		}
		b.record(event.Entry{Ms: 3, Way: event.Up, Unit: "envoy", Event: event.Serving{}}, nil)
		if m := w.news(t); m.Task != nil || len(m.Entries) != 1 || m.Entries[0].Event != "serving" {
			t.Errorf("what has not changed is sent again: %+v", m)
		}
		_ = w.conn.Close()
	})
}

// What no event tells, such as a wait that has begun, is looked for.
func TestWhatNoEventTellsIsSeen(t *testing.T) {
	bubble(t, func(t *testing.T, b *bed) {
		w := b.ask(t, "")
		w.news(t)
		b.mu.Lock()
		b.task.Units = []Unit{{Name: "consul-agent", Waits: "a leader"}}
		b.mu.Unlock()
		if m := w.news(t); len(m.task.Units) != 1 || m.task.Units[0].Waits != "a leader" {
			t.Errorf("%+v", m)
		}
		_ = w.conn.Close()
	})
}

// However much happens, a watcher gets ten messages a second, and every entry.
func TestTheRateIsBounded(t *testing.T) {
	bubble(t, func(t *testing.T, b *bed) {
		w := b.ask(t, "")
		w.news(t)
		go func() {
			for n := range 1000 {
				b.record(event.Entry{Ms: float64(n), Way: event.Up, Unit: "envoy", Event: event.Serving{}}, nil)
				time.Sleep(time.Millisecond)
			}
		}()
		began, messages, entries := time.Now(), 0, 0
		for entries < 1000 {
			m := w.news(t)
			messages, entries = messages+1, entries+len(m.Entries)
		}
		if most := int(time.Since(began)/atLeast) + 2; messages > most || messages < 5 {
			t.Errorf("%d messages in %v", messages, time.Since(began))
		}
		_ = w.conn.Close()
	})
}

// A watcher that does not read holds nobody, and is dropped.
func TestASlowReaderIsDropped(t *testing.T) {
	bubble(t, func(t *testing.T, b *bed) {
		slow, quick := b.ask(t, ""), b.ask(t, "")
		quick.news(t)
		began := time.Now()
		for n := range 100 {
			b.record(event.Entry{Ms: float64(n), Way: event.Up, Unit: "app", Event: event.Serving{}}, nil)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("a reader who sleeps held the record for %v", took)
		}
		if m := quick.news(t); len(m.Entries) == 0 {
			t.Errorf("%+v", m)
		}
		go func() { _, _ = io.Copy(io.Discard, quick.conn) }()
		time.Sleep(writeLimit + time.Second)
		synctest.Wait()
		if n := b.watching(); n != 1 {
			t.Errorf("%d watch, one of which does not read", n)
		}
		_ = slow.conn.Close()
		_ = quick.conn.Close()
	})
}

func (b *bed) watching() int {
	b.feed.mu.Lock()
	defer b.feed.mu.Unlock()
	return len(b.feed.streams)
}

// The last message is the end, and the stop goes on as soon as the watcher has hung up.
func TestTheEndIsTold(t *testing.T) {
	bubble(t, func(t *testing.T, b *bed) {
		w := b.ask(t, "")
		w.news(t)
		b.record(event.Entry{Ms: 9, Way: event.Down, Unit: "app", Event: event.Ended{}}, nil)
		done := make(chan time.Duration)
		began, code := time.Now(), 7
		go func() {
			b.feed.End(Task{State: "ENDED", Exit: &code}, time.Minute)
			done <- time.Since(began)
		}()
		var last told
		entries := 0
		for last.name != "end" {
			last = w.news(t)
			entries += len(last.Entries)
		}
		if last.task.State != "ENDED" || last.task.Exit == nil || *last.task.Exit != 7 || entries != 1 {
			t.Errorf("%+v, %d entries", last, entries)
		}
		_ = w.conn.Close()
		if took := <-done; took > time.Second {
			t.Errorf("the stop waited %v for a watcher that had hung up", took)
		}
		if late := b.ask(t, ""); late.news(t).name != "snapshot" || late.news(t).name != "end" {
			t.Error("who comes late is not told the end")
		} else {
			_ = late.conn.Close()
		}
	})
}

// A watcher that does not hang up, or does not read, holds the stop no longer than it may.
func TestTheStopWaitsForNobody(t *testing.T) {
	bubble(t, func(t *testing.T, b *bed) {
		deaf, silent := b.ask(t, ""), b.ask(t, "")
		silent.news(t)
		go func() { _, _ = io.Copy(io.Discard, silent.conn) }()
		began := time.Now()
		b.feed.End(Task{State: "ENDED"}, 250*time.Millisecond)
		if took := time.Since(began); took != 250*time.Millisecond {
			t.Errorf("it took %v", took)
		}
		_ = deaf.conn.Close()
		_ = silent.conn.Close()
		began = time.Now()
		NewFeed().End(Task{}, time.Hour) // nobody watches
		if took := time.Since(began); took != 0 {
			t.Errorf("it waited %v for nobody", took)
		}
	})
}

func TestTooManyWatchersAreRefused(t *testing.T) {
	bubble(t, func(t *testing.T, b *bed) {
		b.feed.most = 2
		first, second := b.ask(t, ""), b.ask(t, "")
		refused := b.ask(t, "")
		if text, err := io.ReadAll(refused.answer.Body); err != nil || refused.answer.StatusCode != 503 || !strings.Contains(string(text), "2 pages watch already") {
			t.Errorf("%s %s, %v", refused.answer.Status, text, err)
		}
		_ = first.conn.Close()
		time.Sleep(2 * lookEach) // it is seen by its silence
		synctest.Wait()
		if next := b.ask(t, ""); next.answer.StatusCode != 200 {
			t.Errorf("after one has gone: %s", next.answer.Status)
		} else {
			_ = next.conn.Close()
		}
		_ = second.conn.Close()
		_ = refused.conn.Close()
	})
}

// Another origin's page can open the stream, and is not to take the place of ours.
func TestAnotherOriginDoesNotWatch(t *testing.T) {
	bubble(t, func(t *testing.T, b *bed) {
		for site, want := range map[string]int{"cross-site": 403, "same-site": 403, "same-origin": 200, "none": 200} {
			w := b.ask(t, "Sec-Fetch-Site: "+site+"\r\n")
			if w.answer.StatusCode != want {
				t.Errorf("%s: %s", site, w.answer.Status)
			}
			_ = w.conn.Close()
		}
	})
}

// Nothing is asked for while nobody watches; and a stream lives longer than the server's own
// limits for a request.
func TestNothingRunsWhileNobodyWatches(t *testing.T) {
	bubble(t, func(t *testing.T, b *bed) {
		b.record(event.Entry{Event: event.Start{}}, nil)
		time.Sleep(time.Hour)
		if b.looks != 0 {
			t.Errorf("%d looks for nobody", b.looks)
		}
		w := b.ask(t, "")
		w.news(t)
		b.mu.Lock()
		b.flow = &Flow{Protocol: "http"}
		b.mu.Unlock()
		read := make(chan int)
		go func() {
			n := 0
			for {
				if _, ok := w.next(t); !ok {
					read <- n
					return
				}
				n++
			}
		}()
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := b.watching(); n != 1 {
			t.Fatalf("%d watch after an hour", n)
		}
		_ = w.conn.Close()
		if n, want := <-read, int(time.Hour/beatEach); n < want*8/10 || n > want*12/10 {
			t.Errorf("%d messages in an hour in which nothing happened, want about %d", n, want)
		}
		time.Sleep(2 * lookEach)
		synctest.Wait()
		looked := b.looks
		time.Sleep(time.Hour)
		if b.looks != looked || b.watching() != 0 {
			t.Errorf("%d looks after the last watcher has gone", b.looks-looked)
		}
	})
}

// Of an event's data nothing passes but what the page names: no pid, no text of a process.
func TestNothingSecretIsInAnEntry(t *testing.T) {
	const secret = "hunter2"
	all := []event.Event{
		event.Exec{Name: secret, PID: 4242}, event.Exit{Name: secret, PID: 4242, Status: 1}, event.Restart{Reason: secret, N: 1, Max: 5},
		event.Ended{Err: secret}, event.Hung{Err: secret}, event.Killed{Name: secret, PID: 4242, Process: secret}, event.Suspended{Signal: "TSTP", PID: 4242, Fix: secret},
		event.Waiting{What: "a server", Err: secret, Facts: event.Facts{"a": secret}}, event.AppUnhealthy{Reason: secret}, event.Critical{Reason: secret},
		event.Condition{Name: "registered", Reason: secret, Facts: event.Facts{"a": secret}}, event.Renewed{Accessor: secret}, event.Joined{Agent: secret},
		event.Finish{Cause: "TERM", Facts: event.Facts{"a": secret}}, event.OutOfMemory{Process: secret}, event.Left{Result: "verified", Reason: secret},
	}
	var entries []event.Entry
	for _, e := range all {
		entries = append(entries, event.Entry{Unit: "app", Way: event.Up, Event: e})
	}
	text, err := json.Marshal(entriesOf(entries))
	if err != nil || strings.Contains(string(text), secret) || strings.Contains(string(text), "4242") {
		t.Errorf("%s, %v", text, err)
	}
	if got := Line("a\nb\x1b[31m" + strings.Repeat("x", 999)); strings.ContainsAny(got, "\n\x1b") || len(got) > 310 {
		t.Errorf("%q", got)
	}
}

// The page is whole, names no other address, and its policy allows what it has and no more.
func TestThePageNeedsNothingElse(t *testing.T) {
	w := newRecorder()
	Page().ServeHTTP(w, nil)
	policy, text := w.header.Get("Content-Security-Policy"), w.text.String()
	for _, want := range []string{"default-src 'none'", "connect-src 'self'", "frame-ancestors 'none'", "style-src 'sha256-", "script-src 'sha256-"} {
		if !strings.Contains(policy, want) {
			t.Errorf("the policy lacks %s: %s", want, policy)
		}
	}
	if strings.Contains(policy, "unsafe") {
		t.Error(policy)
	}
	if strings.Contains(text, "/*style*/") || strings.Contains(text, "/*script*/") || !strings.Contains(text, "new EventSource('events')") || !strings.Contains(text, "prefers-color-scheme: dark") {
		t.Error("the page is not whole")
	}
	for _, never := range []string{"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "https://", "src=\"", "@import"} {
		if strings.Contains(text, never) {
			t.Errorf("the page has %q", never)
		}
	}
	if n := strings.Count(text, "http://"); n != strings.Count(text, "http://www.w3.org/2000/svg") {
		t.Errorf("%d addresses that are no name of a namespace", n)
	}
	if fmt.Sprint(len(text)) != w.header.Get("Content-Length") || len(text) > 64<<10 {
		t.Errorf("%d bytes, Content-Length %s", len(text), w.header.Get("Content-Length"))
	}
}

type recorder struct {
	header http.Header
	text   strings.Builder
}

func newRecorder() *recorder                    { return &recorder{header: http.Header{}} }
func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(int)             {}
func (r *recorder) Write(p []byte) (int, error) { return r.text.Write(p) }
