package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"meshtask/e2e/harness"
	"meshtask/e2e/load"
)

// call asks web's app to call api: through its Envoy, api's Envoy and api's app.
func call(ctx context.Context, web task) (status int, body string, took time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, web.app+"/call", nil)
	if err != nil {
		return 0, "", 0, err
	}
	began := time.Now()
	transport := &http.Transport{DisableKeepAlives: true}
	answer, err := transport.RoundTrip(req)
	if err != nil {
		return 0, "", 0, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 4096))
	return answer.StatusCode, strings.TrimSpace(string(text)), time.Since(began), err
}

// denied waits for the refusal: until web's Envoy knows api's instances the
// answer is another, but it is never a 200.
func (d *demo) denied(web task) {
	seen := 0
	harness.Eventually(d, limit, "web → api is refused", func() error {
		status, body, _, err := call(d.Context(), web)
		switch {
		case err != nil:
			return err
		case status == http.StatusOK:
			d.Fatalf("web → api without an intention was answered: %s", body)
		case status != http.StatusForbidden:
			return fmt.Errorf("status %d: %s", status, body)
		}
		seen = status
		return nil
	})
	d.judge(fmt.Sprintf("web → api, no intention yet      refused (%d)", seen), true)
}

// allowed adds the intention and waits until both instances answer.
func (d *demo) allowed(web task) {
	d.consul.Allow(d, "web", "api")
	var took []time.Duration
	names := map[string]bool{}
	last := ""
	harness.Eventually(d, limit, "web → api is answered by both instances", func() error {
		status, body, t, err := call(d.Context(), web)
		if err != nil {
			return err
		}
		if status != http.StatusOK {
			return fmt.Errorf("status %d: %s", status, body)
		}
		names[body], last = true, body
		took = append(took, t)
		if len(names) < 2 || len(took) < 20 {
			return fmt.Errorf("%d calls answered, by %d instances", len(took), len(names))
		}
		return nil
	})
	slices.Sort(took)
	d.judge(fmt.Sprintf("web → api, intention allows      200 %q in %.1f ms", last, ms(took[len(took)/2])), true)
}

// stopUnderLoad stops one api while web's upstream is called 200 times a second.
// The requests are POSTs, which no client sends twice, and every tenth has a
// connection of its own.
func (d *demo) stopUnderLoad(web, api task) {
	g := load.Start(d.Context(), load.Config{URL: web.upstream, Rate: 200, NewConn: 10, Body: 16})
	count := func(n int) {
		harness.Eventually(d, limit, fmt.Sprintf("%d requests", n), func() error {
			if sent, _ := g.Counts(); sent < n {
				return fmt.Errorf("%d so far", sent)
			}
			return nil
		})
	}
	count(100)
	before, _ := g.Counts()
	d.end(api)
	sent, _ := g.Counts()
	count(sent + 100)
	r := g.Stop()
	d.judge(fmt.Sprintf("TERM to %s while web calls 200 times a second: %d requests (%d during the stop), %d failed",
		api.name, r.Sent, sent-before, len(r.Failures)), len(r.Failures) == 0 && sent > before)
	if len(r.Failures) > 0 {
		d.Logf("    failed: %s%s", r.Kinds(), r.Firsts())
	}
	d.ended(api)
}

// catalog says what the servers list.
func (d *demo) catalog() string {
	var out []string
	for _, service := range []string{"api", "web"} {
		entries, err := d.consul.Instances(service)
		if err != nil {
			d.Fatalf("%v", err)
		}
		if len(entries) == 1 {
			out = append(out, service)
		} else {
			out = append(out, fmt.Sprintf("%s ×%d", service, len(entries)))
		}
	}
	return strings.Join(out, ", ")
}

// emptied checks that nothing is left at the servers.
func (d *demo) emptied(before string) {
	d.consul.Empty(d, 3*time.Second)
	d.judge("catalog  before: "+before+" · after all have stopped: empty", before == "api ×2, web")
}

func ms(t time.Duration) float64 { return float64(t.Microseconds()) / 1000 }
