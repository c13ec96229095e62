// Package faulty is what the fakes of HTTP servers share: they note what they are asked, and
// a path can be given a fault.
package faulty

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Fault is what becomes of a call. The zero value is none.
type Fault struct {
	Do     func()        // happens when the call comes
	Delay  time.Duration // before the answer
	Hang   bool          // no answer, until the caller gives up
	Status int           // of the answer; 0 is the fake's own answer
	Text   string
}

// Answer is a fault that is an answer.
func Answer(status int, text string) Fault { return Fault{Status: status, Text: text} }

// ServeHTTP gives the answer.
func (f Fault) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.WriteHeader(f.Status)
	_, _ = io.WriteString(w, f.Text)
}

// Call is one that has come. Its Line is "PUT /v1/agent/service/register".
type Call struct {
	Line, Query, Token, Body string
	At                       time.Time
}

// Log has the calls and the faults of a fake, which embeds it.
type Log struct {
	faults sync.Map // by prefix
	mu     sync.Mutex
	calls  []Call
}

// Fail gives the paths that begin with prefix a fault.
func (l *Log) Fail(prefix string, f Fault) { l.faults.Store(prefix, f) }

// Calls are those whose Line begins with prefix, in their order.
func (l *Log) Calls(prefix string) []Call {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(l.calls), func(c Call) bool { return !strings.HasPrefix(c.Line, prefix) })
}

// Count is the number of Calls.
func (l *Log) Count(prefix string) int { return len(l.Calls(prefix)) }

// Take notes a call and lets its fault happen. It says whether there is nothing left to answer.
func (l *Log) Take(w http.ResponseWriter, r *http.Request) (answered bool) {
	body, _ := io.ReadAll(r.Body) // to its end, or a caller that gives up would not be noticed
	r.Body = io.NopCloser(bytes.NewReader(body))
	l.mu.Lock()
	l.calls = append(l.calls, Call{r.Method + " " + r.URL.Path, r.URL.RawQuery, r.Header.Get("X-Consul-Token"), string(body), time.Now()})
	l.mu.Unlock()
	var fault Fault
	for prefix, f := range l.faults.Range {
		if strings.HasPrefix(r.URL.Path, prefix.(string)) {
			fault = f.(Fault)
		}
	}
	if fault.Do != nil {
		fault.Do()
	}
	if fault.Hang {
		<-r.Context().Done()
		return true
	}
	time.Sleep(fault.Delay)
	if fault.Status != 0 {
		fault.ServeHTTP(w, r)
	}
	return fault.Status != 0
}
