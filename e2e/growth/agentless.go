package main

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"meshtask/e2e/harness"
	"meshtask/envoy/warmup"
)

// Budgets of the start without a client agent: with the warm-up, and without it.
const (
	warmBudget   = 1.2
	strictBudget = 1.1
)

// agentlessStarts are the figures of the start without a client agent.
type agentlessStarts struct {
	agent, warm, handWarm, strict, handStrict *series
}

// agentless measures the start without a client agent beside that with one, and beside the
// same steps by hand.
func agentless(b *bench, t harness.T) section {
	s := &agentlessStarts{newSeries("with an agent", "ms"), newSeries("without", "ms"), newSeries("without, by hand", "ms"),
		newSeries("without, `warmUp: false`", "ms"), newSeries("the same by hand", "ms")}
	for _, size := range pick(b, []int{1, 20}, []int{1, 20, 50, 100}) {
		within(t, func(t harness.T) {
			server := harness.StartServer(t, harness.ServerConfig{})
			server.HTTPServices(t)
			fill(t, server, "upstream", 0, size)
			for round := range pick(b, 3, 9) {
				s.round(b, t, server, size, round)
			}
		})
	}
	return section{
		title: "Without a client agent",
		about: "T0→T2 of one task with an agent and without one. By hand: a leader asked for, two writes to the catalog, Envoy with the same\n" +
			"bootstrap document, polled every 10 ms; with the warm-up, the same stream is opened as Envoy is started.",
		tables: []table{{size: "upstreams", series: []*series{s.agent, s.warm, s.handWarm, s.strict, s.handStrict},
			ratios: []ratio{{"without ÷ by hand", s.warm, s.handWarm, warmBudget}, {"`warmUp: false` ÷ by hand", s.strict, s.handStrict, strictBudget}, {"without ÷ with an agent", s.warm, s.agent, 0}}}},
	}
}

func (s *agentlessStarts) round(b *bench, t harness.T, server *harness.Server, size, round int) {
	within(t, func(t harness.T) {
		k := b.upstreamTask(t, server, fmt.Sprintf("agent-%d-%d", size, round), size)
		life := b.begin(t, k)
		s.agent.add(size, risen(t, life).t2)
		b.abandon(t, k, life)
	})
	for _, warm := range []bool{true, false} {
		within(t, func(t harness.T) {
			k := b.upstreamTask(t, server, fmt.Sprintf("%v-%d-%d", map[bool]string{true: "warm", false: "strict"}[warm], size, round), size)
			harness.Agentless(k.config, server)
			k.config["consulServers"].(map[string]any)["warmUp"] = warm
			ours, hand := s.warm, s.handWarm
			if !warm {
				ours, hand = s.strict, s.handStrict
			}
			life := b.begin(t, k)
			ours.add(size, risen(t, life).t2)
			b.abandon(t, k, life)
			t2, err := b.handAgentless(t, server, k, warm)
			if err != nil {
				t.Fatalf("%v", err)
			}
			hand.add(size, t2)
		})
	}
}

// upstreamTask is a task with so many upstreams.
func (b *bench) upstreamTask(t harness.T, server *harness.Server, id string, size int) task {
	k := b.prepare(t, server, id, "floor")
	for i := range size {
		k.upstreams = append(k.upstreams, map[string]any{"destinationName": name("upstream", i), "localBindPort": 21000 + i, "localBindAddress": k.address})
	}
	k.config["proxy"] = map[string]any{"upstreams": k.upstreams}
	return k
}

// handAgentless plays the steps of the way up without an agent, for a task of another name: the
// catalog still has the one that was killed.
func (b *bench) handAgentless(t harness.T, server *harness.Server, k task, warm bool) (t2 float64, err error) {
	text, err := os.ReadFile(filepath.Join(k.dir, "envoy-bootstrap.json"))
	if err != nil {
		return 0, fmt.Errorf("the bootstrap document: %w", err)
	}
	id := "floor-" + k.id
	byHand := k
	byHand.id += "-hand"
	document := filepath.Join(k.dir, "hand-bootstrap.json")
	if err := os.WriteFile(document, bytes.ReplaceAll(text, []byte(`"`+id+`-sidecar-proxy"`), []byte(`"floor-`+byHand.id+`-sidecar-proxy"`)), 0o600); err != nil {
		return 0, err
	}
	began := time.Now()
	client := &http.Client{Transport: &http.Transport{}, Timeout: 5 * time.Second}
	defer client.CloseIdleConnections()
	base := "http://" + server.HTTP
	if leader, err := harness.Ask(t.Context(), client, answerLimit, http.MethodGet, base+"/v1/status/leader", nil); err != nil || len(leader) < 3 {
		return 0, errors.Join(errors.New("no leader"), err)
	}
	for _, r := range byHand.catalogRegistrations() {
		if _, err := harness.Ask(t.Context(), client, answerLimit, http.MethodPut, base+"/v1/catalog/register", r); err != nil {
			return 0, err
		}
	}
	proxy := harness.Start(t, "hand-envoy", []string{b.envoy, "-c", document, "--disable-hot-restart", "--log-level", "warning"}, os.Environ())
	defer proxy.Kill()
	if warm {
		stream := warmup.Open(t.Context(), warmup.Config{Address: server.Address + ":8502", NodeID: "floor-" + byHand.id + "-sidecar-proxy", Cluster: "floor", NodeName: "local"})
		defer stream.Close()
	}
	if err := bound(t.Context(), proxy, filepath.Join(k.dir, "envoy-admin.sock"), slowly); err != nil {
		return 0, err
	}
	app := harness.Start(t, "hand-app", []string{b.app, "--listen", fmt.Sprintf("%s:%d", k.address, port)}, nil)
	t2 = ms(time.Since(began))
	app.Kill()
	return t2, nil
}

// catalogRegistrations are the service's and the sidecar's, as the catalog takes them.
func (k task) catalogRegistrations() (all []any) {
	for _, r := range k.registrations() {
		service := maps.Clone(r.(map[string]any))
		service["Service"], service["Address"] = service["Name"], k.address
		delete(service, "Name")
		checks := service["Checks"]
		delete(service, "Checks")
		if p, ok := service["Proxy"].(map[string]any); ok {
			checks = []any{map[string]any{"Name": "Destination Alias"}}
			p["Config"] = map[string]any{"bind_address": k.address, "bind_port": 20000}
		}
		var list []any
		for i, c := range checks.([]any) {
			list = append(list, map[string]any{"CheckID": fmt.Sprintf("%v:%d", service["ID"], i), "Name": c.(map[string]any)["Name"], "Status": "critical", "ServiceID": service["ID"]})
		}
		all = append(all, map[string]any{"Node": "local", "Address": k.address, "SkipNodeUpdate": true, "Service": service, "Checks": list})
	}
	return all
}
