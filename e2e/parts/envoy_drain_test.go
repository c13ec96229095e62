package parts

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"meshtask/e2e/harness"
	"meshtask/envoy"
	"meshtask/internal/testbed/eventually"
)

// drain runs an Inbound for a real Envoy to its end.
func (b *envoyBed) drain(most time.Duration) (took time.Duration) {
	b.t.Helper()
	stop, done := make(chan struct{}), make(chan struct{})
	u := envoy.NewInbound(envoy.InboundConfig{
		Admin: b.socket(), Max: func() time.Duration { return most },
		Report: b.report,
	})
	go func() { defer close(done); _ = u.Run(b.t.Context(), func() {}, stop) }()
	began := time.Now()
	close(stop)
	b.wait("drained", done, nil)
	took = time.Since(began)
	b.t.Logf("%s (%v)", b.lastNote(), took)
	return took
}

func (b *envoyBed) lastNote() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.notes[len(b.notes)-1]
}

func (b *envoyBed) inFlight(want int64, protocol string) {
	b.t.Helper()
	admin := envoy.NewAdmin(b.socket())
	defer admin.Close()
	harness.Eventually(b.t, eventually.Patience, fmt.Sprintf("%d %s in flight", want, protocol), func() error {
		n, p, err := admin.InFlight(context.Background())
		if err == nil && (n != want || p != protocol) {
			err = fmt.Errorf("%d %s", n, p)
		}
		return err
	})
}

func newDrainBed(t *testing.T, protocol string) (*envoyBed, *envoyLife) {
	t.Helper()
	b := newEnvoyBed(t)
	b.protocol(protocol)
	b.register(nil)
	b.bootstrap(nil)
	l := b.start(nil)
	b.up(l)
	return b, l
}

// Keep-alive clients call all the time, some for long: none fails, although
// Envoy ends the moment that the drain is over.
func TestEnvoyDrainLosesNoRequest(t *testing.T) {
	b, l := newDrainBed(t, "http")
	b.app()
	until, stop := context.WithCancel(context.Background())
	var clients sync.WaitGroup
	var mu sync.Mutex
	total, failed := 0, []string{}
	for i := range 8 {
		client := b.http()
		path := "/"
		if i < 2 {
			path = "/slow?ms=400"
		}
		clients.Go(func() {
			for until.Err() == nil {
				err := get(client, path)
				mu.Lock()
				total++
				if err != nil {
					failed = append(failed, err.Error())
				}
				mu.Unlock()
			}
		})
	}
	harness.Eventually(t, eventually.Patience, "traffic", func() error {
		mu.Lock()
		defer mu.Unlock()
		if total < 200 {
			return fmt.Errorf("%d requests", total)
		}
		return nil
	})
	// Clients that know of the stop no longer begin; this is what the propagation wait buys.
	stop()
	b.drain(10 * time.Second)
	b.end(l)
	clients.Wait()
	t.Logf("%d requests, %d failed", total, len(failed))
	if len(failed) > 0 {
		t.Errorf("failed: %v", failed[0])
	}
	if !strings.Contains(b.log(), "why empty") || !strings.Contains(b.log(), "protocol http") {
		t.Error(b.log())
	}
}

// A drain closes the connections of clients that keep calling.
func TestEnvoyDrainTellsKeepAliveClients(t *testing.T) {
	b, l := newDrainBed(t, "http")
	b.app()
	client := b.http()
	closes := func() bool {
		answer, err := client.Get("https://web/")
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		_, _ = io.Copy(io.Discard, answer.Body)
		return answer.Close
	}
	if closes() {
		t.Error("before the drain a connection is kept")
	}
	b.drain(10 * time.Second)
	for range 2 {
		if !closes() {
			t.Error("after the drain call an answer does not say Connection: close")
		}
	}
	b.end(l)
}

func TestEnvoyDrainWaitsForALongRequest(t *testing.T) {
	for protocol, alpn := range map[string]bool{"http": false, "http2": true, "grpc": true} {
		t.Run(protocol, func(t *testing.T) {
			b, l := newDrainBed(t, protocol)
			b.h2app()
			client := b.http()
			client.Transport.(*http.Transport).ForceAttemptHTTP2 = alpn
			if alpn {
				client.Transport = b.h2()
			}
			done := make(chan error, 1)
			go func() { done <- get(client, "/slow") }()
			b.inFlight(1, "http")
			took := b.drain(10 * time.Second)
			b.end(l)
			if err := <-done; err != nil || took < 300*time.Millisecond || !strings.Contains(b.log(), "start 1 end 0") {
				t.Errorf("request %v, drain took %v: %s", err, took, b.log())
			}
		})
	}
}

// The counterpart: what the drain is for.
func TestEnvoyEndWithoutDrainCutsRequests(t *testing.T) {
	b, l := newDrainBed(t, "http")
	b.app()
	done := make(chan error, 1)
	go func() { done <- get(b.http(), "/slow?ms=20000") }()
	b.inFlight(1, "http")
	b.end(l)
	if err := <-done; err == nil {
		t.Error("the request was answered")
	}
}

func TestEnvoyDrainMaximumHolds(t *testing.T) {
	b, l := newDrainBed(t, "http")
	b.app()
	go func() { _ = get(b.http(), "/slow?ms=20000") }()
	b.inFlight(1, "http")
	if took := b.drain(700 * time.Millisecond); took < 700*time.Millisecond {
		t.Errorf("took %v", took)
	}
	if note := b.lastNote(); !strings.Contains(note, "start 1 end 1") || !strings.Contains(note, "why maximum") {
		t.Error(note)
	}
	b.end(l)
}

func TestEnvoyDrainTCP(t *testing.T) {
	b, l := newDrainBed(t, "tcp")
	b.app("--tcp")
	dial := func() net.Conn {
		c, err := tls.Dial("tcp", b.listen, b.tls())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(c, "hello")
		if _, err := bufio.NewReader(c).ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		return c
	}
	one, two := dial(), dial()
	defer two.Close()
	b.inFlight(2, "tcp")
	time.AfterFunc(300*time.Millisecond, func() { one.Close() })
	b.drain(700 * time.Millisecond)
	if note := b.lastNote(); !strings.Contains(note, "start 2 end 1") || !strings.Contains(note, "protocol tcp why maximum") {
		t.Error(note)
	}
	two.Close()
	b.drain(10 * time.Second)
	if note := b.lastNote(); !strings.Contains(note, "end 0") || !strings.Contains(note, "why empty") {
		t.Error(note)
	}
	b.end(l)
}

// An upgraded connection is a request in flight for as long as it lives.
func TestEnvoyDrainWebsocket(t *testing.T) {
	b, l := newDrainBed(t, "http")
	b.h2app()
	c, err := tls.Dial("tcp", b.listen, b.tls())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "GET /ws HTTP/1.1\r\nHost: web\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	r := bufio.NewReader(c)
	answer, err := http.ReadResponse(r, nil)
	if err != nil || answer.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%v %v", answer, err)
	}
	b.inFlight(1, "http")
	b.drain(500 * time.Millisecond)
	if note := b.lastNote(); !strings.Contains(note, "start 1 end 1") || !strings.Contains(note, "why maximum") {
		t.Error(note)
	}
	fmt.Fprintln(c, "still here")
	if line, err := r.ReadString('\n'); line != "still here\n" {
		t.Errorf("during the drain it works on: %q %v", line, err)
	}
	c.Close()
	b.drain(10 * time.Second)
	if note := b.lastNote(); !strings.Contains(note, "end 0") || !strings.Contains(note, "why empty") {
		t.Error(note)
	}
	b.end(l)
}

func TestEnvoyDrainWithoutEnvoy(t *testing.T) {
	b, l := newDrainBed(t, "http")
	b.end(l)
	b.drain(10 * time.Second)
	if !strings.Contains(b.lastNote(), "why envoy has gone") {
		t.Error(b.lastNote())
	}
}
