package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"meshtask/e2e/harness"
)

const (
	soon   = 40 * time.Second
	prefix = "figures "
)

// figures are those of one life, in milliseconds.
type figures struct {
	Up   float64 `json:"up"`   // T0→T2
	Down float64 `json:"down"` // TERM to exit
}

// ratios are the figures of a cell by those of the pinned pair, each of a turn; and the cell's
// own medians.
type ratios struct {
	Up, Down     []float64
	UpMs, DownMs float64
}

// lives plays turns of the pinned pair and of the cell.
func (b *bench) lives(t harness.T, c cell) result {
	self, err := os.Executable()
	if err != nil {
		t.Fatalf("%v", err)
	}
	one := func(c cell) (f figures, err error) {
		code, out := b.play(t, c, time.Minute, self, "--life")
		_, text, found := strings.Cut(out, prefix)
		if code != 0 || !found {
			return f, fmt.Errorf("%s", lastFailure(out))
		}
		text, _, _ = strings.Cut(text, "\n")
		return f, json.Unmarshal([]byte(text), &f)
	}
	r := ratios{}
	var ups, downs []float64
	for range b.rounds {
		pinned, err := one(cell{})
		if err != nil {
			return result{Note: "the pinned pair: " + err.Error()}
		}
		own, err := one(c)
		if err != nil {
			return result{Note: err.Error()}
		}
		r.Up, r.Down = append(r.Up, own.Up/pinned.Up), append(r.Down, own.Down/pinned.Down)
		ups, downs = append(ups, own.Up), append(downs, own.Down)
	}
	r.UpMs, r.DownMs = median(ups), median(downs)
	return result{OK: true, Note: fmt.Sprintf("%d lives", b.rounds), Ratios: &r}
}

// lastFailure is the line that says why a program of the harness has failed.
func lastFailure(out string) string {
	for _, line := range slices.Backward(strings.Split(out, "\n")) {
		if strings.HasPrefix(line, "FAILED: ") {
			return line
		}
	}
	return lastLine(out)
}

func median(list []float64) float64 {
	sorted := slices.Sorted(slices.Values(list))
	if n := len(sorted); n%2 == 0 {
		return (sorted[n/2-1] + sorted[n/2]) / 2
	}
	return sorted[len(sorted)/2]
}

// playLife is one life: two tasks up, a call refused and then answered, both stopped.
func playLife(t harness.T) {
	program, app := harness.Plain(t), harness.App(t)
	server := harness.StartServer(t, harness.ServerConfig{Deny: true})
	server.HTTPServices(t)
	start := func(name string, upstreams ...any) (*harness.Task, string) {
		address := harness.Address(t)
		doc := harness.TaskDocument(address, name, name, 8080, server)
		if len(upstreams) > 0 {
			doc["proxy"] = map[string]any{"upstreams": upstreams}
		}
		k := harness.StartTask(t, harness.TaskConfig{Name: name, Binary: program, Config: doc,
			CMD: []string{app, "--name", name, "--listen", address + ":8080"}})
		k.Mark(t, soon, "up", "T2")
		k.Await(t, soon, "up", "", "step", "passing")
		return k, address
	}
	api, _ := start("api")
	web, address := start("web", map[string]any{"destinationName": "api", "localBindPort": 9191})
	server.Passing(t, soon, "api", 1)
	server.Passing(t, soon, "web", 1)
	url := "http://" + address + ":9191/"
	answers(t, url, http.StatusForbidden, "RBAC")
	server.Allow(t, "web", "api")
	answers(t, url, http.StatusOK, "hello from api")

	var f figures
	f.Up = web.Mark(t, soon, "up", "T2").Ms - web.Mark(t, soon, "up", "T0").Ms
	for _, k := range []*harness.Task{web, api} {
		began := time.Now()
		if err := k.Signal(syscall.SIGTERM); err != nil {
			t.Fatalf("%v", err)
		}
		code := k.Wait(t, soon)
		if k == web {
			f.Down = float64(time.Since(began).Microseconds()) / 1000
		}
		if s := k.Summary(t); code != 0 || s.Left != "verified" || s.Deregistered != "verified" || len(s.Killed) > 0 {
			t.Fatalf("%s ended with %d, left %s, deregistered %s, killed %v", k.Name, code, s.Left, s.Deregistered, s.Killed)
		}
	}
	server.Empty(t, 5*time.Second)
	text, err := json.Marshal(f)
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Logf("%s%s", prefix, text)
}

// answers waits until the URL gives the status and the words.
func answers(t harness.T, url string, status int, words string) {
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	harness.Eventually(t, soon, fmt.Sprintf("%s answers %d", url, status), func() error {
		answer, err := client.Get(url)
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(io.LimitReader(answer.Body, 1<<16))
		if err != nil {
			return err
		}
		if answer.StatusCode != status || !strings.Contains(string(body), words) {
			return fmt.Errorf("status %d: %.80s", answer.StatusCode, body)
		}
		return nil
	})
}
