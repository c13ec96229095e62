// Package load sends HTTP requests at a steady rate and tells every failure
// with its kind and time. It never retries: what it counts as failed, a user
// would have seen.
package load

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Config says what to send; the zero values of the shares are none.
type Config struct {
	URL     string
	Rate    int           // requests a second
	Workers int           // requests in flight at most; 0 is 24
	NewConn int           // percent of requests on a connection of their own
	Long    int           // percent of requests that go to LongURL
	LongURL string        // for example /slow?ms=700
	Body    int           // bytes of a POST body; 0 is GET
	Timeout time.Duration // of one request; 0 is 10 s
}

// Failure is one request that did not answer 200.
type Failure struct {
	At   time.Time // when it failed
	Took time.Duration
	Kind string // "503", "refused", "reset", "timeout", "eof" or "other"
	Long bool
	Err  string
}

// Report is what has been sent.
type Report struct {
	Sent     int // answered or failed
	Late     int // ticks that found no free worker and were sent late
	Failures []Failure
	Took     []time.Duration // of the good short requests, unsorted
}

// Generator runs until it is stopped.
type Generator struct {
	cfg    Config
	cancel context.CancelFunc
	done   sync.WaitGroup
	kept   *http.Client
	single *http.Client

	mu     sync.Mutex
	report Report
}

// Start begins to send. Stop must be called.
func Start(ctx context.Context, cfg Config) *Generator {
	cfg.Workers = cmp.Or(cfg.Workers, 24)
	cfg.Timeout = cmp.Or(cfg.Timeout, 10*time.Second)
	ctx, cancel := context.WithCancel(ctx)
	g := &Generator{cfg: cfg, cancel: cancel,
		kept:   &http.Client{Timeout: cfg.Timeout, Transport: &http.Transport{MaxIdleConnsPerHost: cfg.Workers}},
		single: &http.Client{Timeout: cfg.Timeout, Transport: &http.Transport{DisableKeepAlives: true}},
	}
	ticks := make(chan int) // unbuffered: a busy worker makes a tick late, never lost
	g.done.Go(func() { g.pace(ctx, ticks) })
	for range cfg.Workers {
		g.done.Go(func() {
			for n := range ticks {
				g.one(n)
			}
		})
	}
	return g
}

// Stop ends the sending, lets what is in flight finish and returns all of it.
func (g *Generator) Stop() Report {
	g.cancel()
	g.done.Wait()
	g.kept.CloseIdleConnections()
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.report
}

// Counts returns what has been sent and what has failed so far.
func (g *Generator) Counts() (sent, failed int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.report.Sent, len(g.report.Failures)
}

// pace hands out numbers at the rate; it closes ticks.
func (g *Generator) pace(ctx context.Context, ticks chan<- int) {
	defer close(ticks)
	tick := time.NewTicker(time.Second / time.Duration(max(1, g.cfg.Rate)))
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		select {
		case ticks <- n:
			continue
		default:
		}
		g.mu.Lock()
		g.report.Late++
		g.mu.Unlock()
		select {
		case ticks <- n:
		case <-ctx.Done():
			return
		}
	}
}

// one sends request number n; the shares are spread evenly, so that every
// second has its mix. In flight at Stop it is finished: it is somebody's.
func (g *Generator) one(n int) {
	client, url, long := g.kept, g.cfg.URL, false
	if n*7%100 < g.cfg.NewConn {
		client = g.single
	}
	if n*13%100 < g.cfg.Long {
		url, long = g.cfg.LongURL, true
	}
	began := time.Now()
	kind, err := send(client, url, g.cfg.Body)
	took := time.Since(began)

	g.mu.Lock()
	defer g.mu.Unlock()
	g.report.Sent++
	switch {
	case kind != "":
		g.report.Failures = append(g.report.Failures, Failure{At: time.Now(), Took: took, Kind: kind, Long: long, Err: fmt.Sprint(err)})
	case !long:
		g.report.Took = append(g.report.Took, took)
	}
}

// send returns "" for a 200 with a whole body, else the kind of failure. A body
// makes it a POST, which Go's client does not send again by itself.
func send(client *http.Client, url string, body int) (kind string, err error) {
	method, payload := http.MethodGet, io.Reader(nil)
	if body > 0 {
		method, payload = http.MethodPost, bytes.NewReader(bytes.Repeat([]byte("x"), body))
	}
	req, err := http.NewRequest(method, url, payload)
	if err != nil {
		return "other", err
	}
	answer, err := client.Do(req)
	if err != nil {
		return kindOf(err), err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	if err != nil {
		return kindOf(err), err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Sprint(answer.StatusCode), fmt.Errorf("status %d: %.100s", answer.StatusCode, text)
	}
	return "", nil
}

func kindOf(err error) string {
	var timeout net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "reset"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "timeout"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "eof"
	}
	return "other"
}

// Kinds is the failures counted by kind, for one line of text.
func (r Report) Kinds() string {
	counts := map[string]int{}
	for _, f := range r.Failures {
		kind := f.Kind
		if f.Long {
			kind += " (long)"
		}
		counts[kind]++
	}
	var parts []string
	for kind, n := range counts {
		parts = append(parts, fmt.Sprintf("%d %s", n, kind))
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}

// Firsts is the first failure of each kind, with when it failed, how long it took and the
// error: a line each.
func (r Report) Firsts() string {
	var lines strings.Builder
	seen := map[string]bool{}
	for _, f := range r.Failures {
		if !seen[f.Kind] {
			seen[f.Kind] = true
			fmt.Fprintf(&lines, "\n%s after %v: %s", f.At.Format("15:04:05.000"), f.Took.Round(time.Millisecond), f.Err)
		}
	}
	return lines.String()
}

// Median returns the median time of the good short requests, 0 without any.
func (r Report) Median() time.Duration {
	if len(r.Took) == 0 {
		return 0
	}
	took := slices.Sorted(slices.Values(r.Took))
	return took[len(took)/2]
}
