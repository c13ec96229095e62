package page

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"meshtask/internal/event"
	"meshtask/internal/httplimit"
)

// Source is the running task. Its methods may be called at any time, by several watchers.
type Source interface {
	// Now is the time in ms since the process began.
	Now() float64
	// Task is how it is with the task.
	Task() Task
	// Since are the entries of the timeline behind the first n, and the n of the next call.
	Since(n int) (later []event.Entry, next int)
	// Flow asks the sidecar; nil: there is no answer. It may take until ctx is done.
	Flow(ctx context.Context) *Flow
}

const (
	maxStreams = 8                      // pages that may watch at once
	atLeast    = 100 * time.Millisecond // between two messages to one watcher
	lookEach   = time.Second            // at what no event tells: the flow, and waits that have begun
	beatEach   = 10 * time.Second       // a sign of life, so that a reader who has gone is seen
	writeLimit = 5 * time.Second        // for a watcher to take a message
)

// Feed tells whoever watches. Nothing of it runs while nobody does, and nobody who watches can
// hold the task: See leaves a hint, and each watcher fetches what is new at its own pace. Make
// one with NewFeed.
type Feed struct {
	most int

	mu      sync.Mutex
	streams map[*stream]struct{}
	last    *Task         // how the task has ended
	over    chan struct{} // closed with last
}

// stream is one watcher.
type stream struct {
	wake chan struct{} // one pending hint
	gone chan struct{} // closed when its handler returns
}

// NewFeed is a feed that nobody watches.
func NewFeed() *Feed {
	return &Feed{most: max(1, min(maxStreams, httplimit.Connections()/4)), streams: map[*stream]struct{}{}, over: make(chan struct{})}
}

// See is a sink of the record: it does not block, and keeps nothing.
func (f *Feed) See(event.Entry) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for s := range f.streams {
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
}

// End tells every watcher how the task has ended, and waits until they have hung up, but not
// longer than limit: a browser drops what it has not read of a stream that breaks off.
func (f *Feed) End(last Task, limit time.Duration) {
	f.mu.Lock()
	if f.last == nil {
		f.last = &last
		close(f.over)
	}
	var all []*stream
	for s := range f.streams {
		all = append(all, s)
	}
	f.mu.Unlock()
	t := time.NewTimer(limit)
	defer t.Stop()
	for _, s := range all {
		select {
		case <-s.gone:
		case <-t.C:
			return
		}
	}
}

func (f *Feed) enter() *stream {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.streams) >= f.most {
		return nil
	}
	s := &stream{wake: make(chan struct{}, 1), gone: make(chan struct{})}
	f.streams[s] = struct{}{}
	return s
}

func (f *Feed) leave(s *stream) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.streams, s)
	close(s.gone)
}

// Events serves the stream of src: event "snapshot" with all there is, "change" with what has
// changed, "end" once and last.
func (f *Feed) Events(src Source) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if site := r.Header.Get("Sec-Fetch-Site"); site == "cross-site" || site == "same-site" {
			http.Error(w, "a page of another origin may not watch", http.StatusForbidden)
			return
		}
		s := f.enter()
		if s == nil {
			http.Error(w, fmt.Sprintf("%d pages watch already", f.most), http.StatusServiceUnavailable)
			return
		}
		defer f.leave(s)
		headers(w.Header())
		w.Header().Set("Content-Type", "text/event-stream")
		if r.Method == http.MethodHead {
			return
		}
		out := &writer{to: w, c: http.NewResponseController(w), src: src}
		if out.c.SetReadDeadline(time.Time{}) == nil { // the server's limit is for the request, which has been read
			f.watch(r.Context(), s, out)
		}
	})
}

// watch serves one watcher until it goes or the task has ended.
func (f *Feed) watch(ctx context.Context, s *stream, out *writer) {
	looks := make(chan *Flow)
	var looking sync.WaitGroup
	defer looking.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	looking.Go(func() { look(ctx, out.src, looks) })
	if out.send("snapshot", out.src.Task(), nil) != nil {
		return
	}
	for {
		var flow *Flow
		select {
		case <-s.wake:
		case flow = <-looks:
		case <-f.over:
			if out.send("end", *f.last, nil) == nil {
				<-ctx.Done()
			}
			return
		case <-ctx.Done():
			return
		}
		if out.send("change", out.src.Task(), flow) != nil {
			return
		}
		select {
		case <-time.After(atLeast):
		case <-f.over:
		case <-ctx.Done():
		}
	}
}

// look asks for the flow again and again. It is told too when there is none: the look at the
// state that follows shows what no event tells.
func look(ctx context.Context, src Source, to chan<- *Flow) {
	for {
		flow := src.Flow(ctx)
		if flow == nil {
			flow = &Flow{}
		}
		select {
		case to <- flow:
		case <-ctx.Done():
			return
		}
		select {
		case <-time.After(lookEach):
		case <-ctx.Done():
			return
		}
	}
}

// writer writes to one watcher what that has not been told yet.
type writer struct {
	to  http.ResponseWriter
	c   *http.ResponseController
	src Source

	n          int // entries that it has
	task, flow []byte
	beat       time.Time
}

// message is the data of an event. Absent is as before.
type message struct {
	Now     float64         `json:"now"`
	Task    json.RawMessage `json:"task,omitempty"`
	Entries []entry         `json:"entries,omitempty"`
	Flow    json.RawMessage `json:"flow,omitempty"`
}

// send tells the watcher what is new. An error says that it is gone, or too slow.
func (o *writer) send(name string, t Task, flow *Flow) error {
	m := message{Now: o.src.Now()}
	var err error
	if m.Task, err = news(&o.task, t); err != nil {
		return err
	}
	if flow != nil {
		if m.Flow, err = news(&o.flow, flow); err != nil {
			return err
		}
	}
	var later []event.Entry
	later, o.n = o.src.Since(o.n)
	m.Entries = entriesOf(later)
	if name == "change" && m.Task == nil && m.Flow == nil && len(m.Entries) == 0 && time.Since(o.beat) < beatEach {
		return nil
	}
	data, err := json.Marshal(m)
	if err != nil {
		return err
	}
	o.beat = time.Now()
	if err := o.c.SetWriteDeadline(o.beat.Add(writeLimit)); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(o.to, "event: %s\ndata: %s\n\n", name, data); err != nil {
		return err
	}
	return o.c.Flush()
}

// news is v as JSON where that is not what it was before, else nil.
func news(before *[]byte, v any) ([]byte, error) {
	text, err := json.Marshal(v)
	if err != nil || bytes.Equal(*before, text) {
		return nil, err
	}
	*before = text
	return text, nil
}
