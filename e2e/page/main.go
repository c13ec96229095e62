// Command page drives the page of a running task with a real Chromium, on a real Consul and a
// real Envoy: through a start, two faults and a stop under requests. Everything that a browser
// would say of it is a finding: a request to elsewhere, a violation of its policy, an error of
// its script, text that does not fit.
//
// It writes the screenshots of docs/page.md to the directory of --shots. It ends with 1 when
// something was not as it should be.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"meshtask/e2e/harness"
)

// The machine may be busy: limits bound failures only.
const soon = 5 * time.Minute

func main() {
	chromium := flag.String("chromium", "chromium", "the browser's program")
	shots := flag.String("shots", "", "directory for the screenshots; none are taken without")
	flag.Parse()
	os.Exit(harness.Perform(os.Stdout, func(t harness.T) { play(t, *chromium, *shots) }))
}

// stage is what is played with.
type stage struct {
	harness.T
	server  *harness.Server
	shop    *harness.Task // whose page is looked at
	browser *browser
	healthy string // a file: the app is well while it is there
	caller  string // URL of shop, through the mesh
	shots   string

	prices     *harness.Task
	pricesPage string // HOST:PORT
}

func play(t harness.T, chromium, shots string) {
	s := &stage{T: t, shots: shots, server: harness.StartServer(t, harness.ServerConfig{}), healthy: filepath.Join(t.TempDir(), "healthy")}
	s.server.HTTPServices(t)
	s.touch(s.healthy)
	s.startShop(chromium)
	s.start()
	s.noInstance()
	s.sick()
	s.well()
	s.stop()
	s.browser.clean(t)
	s.gone()
	t.Logf("the page was as it should be")
}

func (s *stage) touch(file string) {
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		s.Fatalf("%v", err)
	}
}

// startShop starts the task, and the browser as soon as there is a page.
func (s *stage) startShop(chromium string) {
	address := harness.Address(s)
	doc := harness.TaskDocument(address, "shop-1", "shop", 8080, s.server)
	page := address + ":9902"
	// The agent does not start before somebody looks.
	held := filepath.Join(s.TempDir(), "held")
	doc["consulAgent"].(map[string]any)["command"] = s.script("consul", `[ "$1" = agent ] && until [ -e `+held+` ]; do sleep 0.05; done; exec `+harness.Consul(s)+` "$@"`)
	doc["admin"] = map[string]any{"listen": page}
	doc["proxy"] = map[string]any{"upstreams": []any{
		map[string]any{"destinationName": "api", "localBindPort": 9191},
		map[string]any{"destinationName": "prices", "localBindPort": 9192},
	}}
	doc["health"] = map[string]any{"app": map[string]any{"command": []string{"CMD-SHELL", "test -e " + s.healthy}, "interval": 5, "retries": 1}}
	s.prices = s.other("prices", func(doc map[string]any) {
		s.pricesPage = doc["task"].(map[string]any)["address"].(string) + ":9902"
		doc["admin"] = map[string]any{"listen": s.pricesPage}
	})
	s.browser = openBrowser(s, chromium)
	s.shop = harness.StartTask(s, harness.TaskConfig{Name: "shop-1", Config: doc,
		CMD: []string{harness.App(s), "--name", "shop", "--listen", address + ":8080", "--slow-start", "1500ms"}})
	harness.Eventually(s, soon, "the page answers", func() error { return call(s.Context(), "http://"+page+"/") })
	s.browser.open(s, "http://"+page+"/")
	s.browser.until(s, "the state is starting", `document.body.dataset.state === "STARTING"`)
	s.browser.until(s, "the agent's bar says so", `[...document.querySelectorAll("#drawing rect.starting title")].some(t => t.textContent.startsWith("consul-agent: starting"))`)
	s.touch(held)
}

// script writes a program.
func (s *stage) script(name, text string) (file string) {
	file = filepath.Join(s.TempDir(), name)
	if err := os.WriteFile(file, []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
		s.Fatalf("%v", err)
	}
	return file
}

// other starts a task that is not looked at.
func (s *stage) other(name string, edit func(doc map[string]any)) *harness.Task {
	address := harness.Address(s)
	doc := harness.TaskDocument(address, name+"-1", name, 8080, s.server)
	if edit != nil {
		edit(doc)
	}
	k := harness.StartTask(s, harness.TaskConfig{Name: name, Config: doc, CMD: []string{harness.App(s), "--name", name, "--listen", address + ":8080"}})
	k.Await(s, soon, "up", "", "step", "passing")
	return k
}

// start sees the way up as it happens.
func (s *stage) start() {
	b := s.browser
	for _, mark := range []string{"T0", "T1", "T2"} {
		b.until(s, mark+" is there", `document.getElementById("marks").textContent.includes("`+mark+`")`)
	}
	b.until(s, "the task is running", `document.body.dataset.state === "RUNNING"`)
	b.until(s, "the bar of the app is up", `[...document.querySelectorAll("#drawing rect.up title")].some(t => t.textContent.startsWith("app: up"))`)
	b.holds(s, "app-healthy", true)
	b.fits(s)
}

// noInstance sees an upstream that nobody serves, and its end.
func (s *stage) noInstance() {
	b := s.browser
	b.holds(s, "upstream:api", false)
	b.until(s, "the sentence names it", `document.getElementById("cause").textContent.includes("api")`)
	b.until(s, "and what to do", `document.getElementById("fix").textContent.startsWith("Fix: ")`)
	b.until(s, "its row is red", `document.querySelector('#upstreams li.no[data-name="api"]') !== null`)
	s.other("api", nil)
	b.holds(s, "upstream:api", true)
	b.until(s, "its instance is counted", `document.querySelector('#upstreams li[data-name="api"]').textContent.includes("1 of 1 instance healthy")`)
}

// sick sees the app's check fail.
func (s *stage) sick() {
	b := s.browser
	s.caller = s.callers()
	if err := os.Remove(s.healthy); err != nil {
		s.Fatalf("%v", err)
	}
	b.holds(s, "app-healthy", false)
	b.until(s, "the state says so", `document.getElementById("state").textContent === "running, not healthy"`)
	b.until(s, "the sentence says so", `document.getElementById("verdict").className === "verdict bad" && /health/.test(document.getElementById("cause").textContent)`)
	b.fits(s)
	b.shoot(s, s.shots, "page-fault", look{width: 1200, scheme: "light"})
}

// callers starts the task that calls shop, and returns the URL.
func (s *stage) callers() string {
	address := ""
	s.other("web", func(doc map[string]any) {
		address = doc["task"].(map[string]any)["address"].(string)
		doc["proxy"] = map[string]any{"upstreams": []any{map[string]any{"destinationName": "shop", "localBindPort": 9191}}}
	})
	return "http://" + address + ":9191"
}

// well sees it heal, and requests that come and go.
func (s *stage) well() {
	b := s.browser
	s.touch(s.healthy)
	b.holds(s, "app-healthy", true)
	b.until(s, "nothing is wrong", `document.getElementById("verdict").className === "verdict"`)
	harness.Eventually(s, soon, "the caller sees it passing", func() error { return call(s.Context(), s.caller+"/") })
	done := make(chan error, 9)
	for _, n := range []int{2, 5, 2} {
		for range n {
			go func() { done <- call(s.Context(), s.caller+"/slow?ms=2500") }()
		}
		b.until(s, "requests in flight are counted", fmt.Sprintf(`Number(document.getElementById("inflight").textContent) >= %d`, n))
	}
	for range 9 {
		if err := <-done; err != nil {
			s.Fatalf("a request: %v", err)
		}
	}
	b.until(s, "and gone again", `document.getElementById("inflight").textContent === "0"`)
	for _, l := range []look{{width: 1200, scheme: "light"}, {width: 1200, scheme: "dark"}, {width: 400, scheme: "light"}} {
		name := "page-" + l.scheme
		if l.width < 600 {
			name = "page-narrow"
		}
		b.shoot(s, s.shots, name, l)
	}
}

// stop sees the drain, the budget and the end.
func (s *stage) stop() {
	b := s.browser
	done := make(chan error, 3)
	for range 3 {
		go func() { done <- call(s.Context(), s.caller+"/slow?ms=8000") }()
	}
	b.until(s, "three are in flight", `document.getElementById("inflight").textContent === "3"`)
	if err := s.shop.Signal(syscall.SIGTERM); err != nil {
		s.Fatalf("%v", err)
	}
	b.shown(s, "the task is stopping", `^state STOPPING$`)
	b.shown(s, "the drain is shown", `^note Draining: [123] requests? in flight`)
	b.shown(s, "the budget runs down", `^left 2[0-8]\.\d s left of 30`)
	b.shoot(s, s.shots, "page-stop", look{width: 1200, scheme: "dark"})
	b.fits(s)
	for range 3 {
		if err := <-done; err != nil {
			s.Fatalf("a request was cut: %v", err)
		}
	}
	b.until(s, "the end is shown", `document.getElementById("state").textContent === "ended, exit 0"`)
	b.until(s, "with the drain", `document.getElementById("stop-note").textContent.includes("none cut")`)
	for _, mark := range []string{"T0", "T1", "T2", "T3"} {
		b.until(s, mark+" down is there", `document.querySelector("#marks p:last-child").textContent.includes("`+mark+`")`)
	}
	if code := s.shop.Wait(s, soon); code != 0 {
		s.Fatalf("exit code %d:\n%s", code, s.shop.Tail(30))
	}
	b.until(s, "the picture stays", `document.querySelectorAll("#drawing rect.up").length >= 6`)
	b.fits(s)
	b.shoot(s, s.shots, "page-end", look{width: 1200, scheme: "light"})
}

// gone sees a task that is killed: there is no end to be told.
func (s *stage) gone() {
	b := s.browser
	b.open(s, "http://"+s.pricesPage+"/")
	b.until(s, "another task is running", `document.body.dataset.state === "RUNNING" && document.getElementById("service").textContent === "prices"`)
	s.prices.Kill()
	b.until(s, "that it has gone is said", `document.getElementById("gone").checkVisibility() && /does not answer any more/.test(document.getElementById("gone").textContent)`)
	b.until(s, "so does the state", `document.getElementById("state").textContent === "no answer"`)
	b.until(s, "the picture stays", `document.querySelectorAll("#drawing rect.up").length >= 6`)
	b.fits(s)
}

// call makes one request, and wants its answer.
func call(ctx context.Context, url string) error {
	_, err := harness.Ask(ctx, &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: soon}, 1<<10, http.MethodGet, url, nil)
	return err
}

// quoted is a string as JavaScript has it.
func quoted(text string) string {
	b, err := json.Marshal(text)
	if err != nil {
		panic(err) // a string has JSON
	}
	return string(b)
}
