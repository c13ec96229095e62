package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"meshtask/e2e/harness"
)

// pageMessage is a message of /events.
type pageMessage struct {
	Now  float64
	Task *struct {
		Service, State string
		Exit           *int
		Marks          map[string]map[string]float64
		Conditions     []struct {
			Name string
			OK   bool
		}
	}
	Entries []struct{ Unit, Event, Text string }
	name    string
}

// follow reads a stream of events to its end, as a browser does: it hangs up after event "end".
func follow(ctx context.Context, url string, each func(pageMessage)) (all []pageMessage, text string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, "", err
	}
	answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return nil, "", err
	}
	defer answer.Body.Close()
	if kind := answer.Header.Get("Content-Type"); answer.StatusCode != http.StatusOK || kind != "text/event-stream" {
		return nil, "", fmt.Errorf("%s: %s, %s", url, answer.Status, kind)
	}
	var name string
	lines := bufio.NewScanner(answer.Body)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		text += lines.Text() + "\n"
		if said, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
			name = said
		}
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		m := pageMessage{name: name}
		if err := json.Unmarshal([]byte(data), &m); err != nil {
			return all, text, err
		}
		all = append(all, m)
		each(m)
		if name == "end" {
			return all, text, nil
		}
	}
	return all, text, fmt.Errorf("it ends after %d messages without an end: %v", len(all), lines.Err())
}

// The page and its stream go through a life: from before T0 to the end, with every mark and no
// secret, no argument and no pid; and a watcher that does not read holds nothing up.
func TestTaskPage(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{})
	const secret = "hunter2-of-the-page"
	m := prepare(t, server, "page-1", "paged", func(c map[string]any) {
		c["app"] = map[string]any{"env": map[string]any{"PASSWORD": secret}}
	})
	url := "http://" + m.address + ":9902"
	m.config["admin"] = map[string]any{"listen": m.address + ":9902"}
	m.Task = harness.StartTask(t, harness.TaskConfig{Name: "page-1", Config: m.config,
		CMD: []string{"sh", "-c", `exec "$0" --listen ` + m.address + ":8080", harness.App(t), "argument-" + secret}})

	harness.Eventually(t, soon, "the page", func() error {
		_, text, err := fetch(t.Context(), url+"/")
		if err == nil && (!strings.Contains(text, "<title>meshtask</title>") || strings.Contains(text, secret)) {
			err = fmt.Errorf("%.200s", text)
		}
		return err
	})
	type told struct {
		all  []pageMessage
		text string
		err  error
	}
	read, running := make(chan told, 1), make(chan struct{})
	tellRunning := sync.OnceFunc(func() { close(running) })
	go func() {
		all, text, err := follow(t.Context(), url+"/events", func(m pageMessage) {
			if m.Task != nil && m.Task.State == "RUNNING" {
				tellRunning()
			}
		})
		read <- told{all, text, err}
	}()
	deaf := openStream(t, url+"/events") // never read from
	defer deaf.Close()
	m.up(t)
	refused(t, url)

	// A watcher is told at most ten times a second: a state that is over sooner is not among it.
	select {
	case <-running:
	case got := <-read:
		t.Fatalf("the stream ended before RUNNING: %v\n%s", got.err, m.Tail(30))
	}
	m.term(t)
	m.ended(t, 0)
	got := <-read
	if got.err != nil {
		t.Fatalf("%v\n%s", got.err, m.Tail(30))
	}
	checkStory(t, got.all)
	if strings.Contains(got.text, "hunter2") || strings.Contains(got.text, `"pid"`) || strings.Contains(got.text, harness.App(t)) {
		t.Errorf("the stream tells what is nobody's business:\n%s", got.text)
	}
}

// checkStory checks what a watcher was told of a whole life.
func checkStory(t *testing.T, all []pageMessage) {
	t.Helper()
	last := all[len(all)-1]
	if all[0].name != "snapshot" || all[0].Task == nil || all[0].Task.Service != "paged" {
		t.Errorf("it begins with %+v", all[0])
	}
	if last.Task == nil || last.Task.State != "ENDED" || last.Task.Exit == nil || *last.Task.Exit != 0 {
		t.Fatalf("it ends with %+v", last)
	}
	for way, marks := range map[string][]string{"up": {"T0", "T1", "T2"}, "down": {"T0", "T1", "T2", "T3"}} {
		for _, mark := range marks {
			if _, ok := last.Task.Marks[way][mark]; !ok {
				t.Errorf("no mark %s %s in %v", way, mark, last.Task.Marks)
			}
		}
	}
	var states, events []string
	for _, m := range all {
		if m.Task != nil && (len(states) == 0 || states[len(states)-1] != m.Task.State) {
			states = append(states, m.Task.State)
		}
		for _, e := range m.Entries {
			events = append(events, strings.TrimSpace(e.Unit+" "+e.Event+" "+e.Text))
		}
	}
	if want := []string{"RUNNING", "STOPPING", "ENDED"}; !slices.Equal(states, want) && !slices.Equal(states, append([]string{"STARTING"}, want...)) {
		t.Errorf("the states were %v", states)
	}
	for _, want := range []string{"consul-agent start", "health-sync passing", "task mark T2", "inbound drained 0 in flight, 0 cut", "app ended", "consul-agent left verified", "consul-agent ended"} {
		if n := len(slices.DeleteFunc(slices.Clone(events), func(e string) bool { return e != want })); n == 0 {
			t.Errorf("no entry %q in %q", want, events)
		}
	}
}

// openStream opens a stream and returns its body.
func openStream(t *testing.T, url string) io.ReadCloser {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	return answer.Body
}

// refused checks who may not watch: a name that was made to point at loopback, and a page of
// another origin.
func refused(t *testing.T, url string) {
	t.Helper()
	for _, odd := range []struct {
		host, site string
		want       int
	}{{"meshtask.example", "", http.StatusMisdirectedRequest}, {"", "cross-site", http.StatusForbidden}} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/events", nil)
		if err != nil {
			t.Fatal(err)
		}
		if odd.host != "" {
			req.Host = odd.host
		}
		if odd.site != "" {
			req.Header.Set("Sec-Fetch-Site", odd.site)
		}
		answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode != odd.want {
			t.Errorf("%+v: %s", odd, answer.Status)
		}
	}
}

// `meshtask dev` has a page, and says where.
func TestDevPage(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, harness.ServerConfig{})
	k := devTask(t, server.Address, "paged", freePort(t), nil)
	k.Await(t, soon, "up", "", "step", "passing")
	_, url, ok := strings.Cut(k.Output(), "meshtask.dev: page ")
	url, _, _ = strings.Cut(url, "\n")
	if !ok || !strings.HasSuffix(url, ":9902/") {
		t.Fatalf("the page is at %q:\n%s", url, k.Output())
	}
	harness.Eventually(t, soon, "the page", func() error {
		status, text, err := fetch(t.Context(), url)
		if err == nil && (status != http.StatusOK || !strings.Contains(text, "new EventSource")) {
			err = fmt.Errorf("%d %.200s", status, text)
		}
		return err
	})
	interrupt(t, k)
}
