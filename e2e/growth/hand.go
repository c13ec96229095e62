package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"meshtask/e2e/harness"
)

// answerLimit bounds what is read of an answer: the listeners of 200 upstreams.
const answerLimit = 4 << 20

// hand plays the steps of a task's way up with nothing between them, polling every
// so often, with the files that meshtask has left: the agent's configuration and
// Envoy's bootstrap document. T0 is the exec of the agent, T1 the end of both
// registrations, T2 the exec of the app. Then it calls risen, and kills what it has
// started.
func (b *bench) hand(t harness.T, k task, every time.Duration, risen func()) (up, error) {
	settings, document, err := k.renamed(fmt.Sprintf("hand-%v", every))
	if err != nil {
		return up{}, err
	}
	began := time.Now()
	agent := harness.Start(t, "hand-agent", []string{b.consul, "agent", "-config-file", settings}, os.Environ())
	defer agent.Kill()
	client := &http.Client{Transport: &http.Transport{}, Timeout: 5 * time.Second}
	defer client.CloseIdleConnections()
	base := "http://" + k.address + ":8500"
	if err := wait(t.Context(), agent, every, "a leader", func() bool {
		body, err := harness.Ask(t.Context(), client, answerLimit, http.MethodGet, base+"/v1/status/leader", nil)
		return err == nil && len(body) > 2
	}); err != nil {
		return up{}, err
	}
	for _, payload := range k.registrations() {
		if _, err := harness.Ask(t.Context(), client, answerLimit, http.MethodPut, base+"/v1/agent/service/register", payload); err != nil {
			return up{}, err
		}
	}
	t1 := time.Since(began)
	proxy := harness.Start(t, "hand-envoy", []string{b.envoy, "-c", document, "--disable-hot-restart", "--log-level", "warning"},
		os.Environ())
	defer proxy.Kill()
	if err := bound(t.Context(), proxy, filepath.Join(k.dir, "envoy-admin.sock"), every); err != nil {
		return up{}, err
	}
	app := harness.Start(t, "hand-app", []string{b.app, "--listen", fmt.Sprintf("%s:%d", k.address, port)}, nil)
	t2 := time.Since(began)
	defer app.Kill()
	risen()
	return up{ms(t1), ms(t2)}, nil
}

// alone is for a task that has nobody to wait for.
func alone() {}

// renamed writes the agent's configuration and the bootstrap document once more,
// for a node of another name: the servers still know the one that has been killed.
// The agent begins without data.
func (k task) renamed(mark string) (settings, document string, err error) {
	if err := os.RemoveAll(filepath.Join(k.dir, "consul")); err != nil {
		return "", "", fmt.Errorf("the agent's data: %w", err)
	}
	write := func(name string) string {
		text, read := os.ReadFile(filepath.Join(k.dir, name))
		to := filepath.Join(k.dir, mark+"-"+name)
		text = bytes.ReplaceAll(text, []byte(`"ecs-`+k.id+`"`), []byte(`"ecs-`+k.id+"-"+mark+`"`))
		err = errors.Join(err, read, os.WriteFile(to, text, 0o600))
		return to
	}
	settings, document = write("consul.json"), write("envoy-bootstrap.json")
	return settings, document, err
}

// bound waits until Envoy is live and has its public listener.
func bound(ctx context.Context, proxy *harness.Process, socket string, every time.Duration) error {
	admin := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		}}}
	defer admin.CloseIdleConnections()
	return wait(ctx, proxy, every, "a live Envoy with its public listener", func() bool {
		state, err := harness.Ask(ctx, admin, answerLimit, http.MethodGet, "http://envoy/ready", nil)
		if err != nil || !strings.HasPrefix(string(state), "LIVE") {
			return false
		}
		listeners, err := harness.Ask(ctx, admin, answerLimit, http.MethodGet, "http://envoy/listeners?format=json", nil)
		return err == nil && bytes.Contains(listeners, []byte("public_listener"))
	})
}

// registrations are the service's and the sidecar's, without what costs no time.
func (k task) registrations() []any {
	id := k.service + "-" + k.id
	var upstreams []any
	for _, u := range k.upstreams {
		upstream := u.(map[string]any)
		upstreams = append(upstreams, map[string]any{"DestinationName": upstream["destinationName"], "LocalBindPort": upstream["localBindPort"],
			"LocalBindAddress": upstream["localBindAddress"]})
	}
	return []any{
		map[string]any{"ID": id, "Name": k.service, "Port": port, "Checks": k.checks(id)},
		map[string]any{"Kind": "connect-proxy", "ID": id + "-sidecar-proxy", "Name": k.service + "-sidecar-proxy", "Port": 20000,
			"Proxy": map[string]any{"DestinationServiceName": k.service, "DestinationServiceID": id, "LocalServicePort": port,
				"LocalServiceAddress": k.address, "Config": map[string]any{"bind_address": k.address}, "Upstreams": upstreams},
			"Checks": []any{map[string]any{"Name": "Destination Alias", "AliasService": id}}},
	}
}

// checks are the app's and one for each synced container.
func (k task) checks(id string) []any {
	names, _ := k.config["healthSyncContainers"].([]string)
	var all []any
	for _, name := range append([]string{"app"}, names...) {
		all = append(all, map[string]any{"CheckID": id + "-" + name, "Name": name, "TTL": "30s", "Status": "critical"})
	}
	return all
}

// wait polls until cond holds, for as long as the process that it is about lives.
func wait(ctx context.Context, of *harness.Process, every time.Duration, what string, cond func() bool) error {
	deadline := time.After(limit)
	tick := time.NewTicker(every)
	defer tick.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-of.Done():
			return fmt.Errorf("by hand: no %s: %s has ended:\n%s", what, of.Name, of.Tail(20))
		case <-deadline:
			return fmt.Errorf("by hand: no %s within %v", what, limit)
		case <-ctx.Done():
			return fmt.Errorf("by hand: no %s: %w", what, context.Cause(ctx))
		}
	}
	return nil
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
