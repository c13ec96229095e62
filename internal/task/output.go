package task

import (
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"meshtask/envoy/bootstrap"
	"meshtask/internal/printable"
	"meshtask/internal/state"
)

// childOutput prints a child's lines from level on, each with its name, a time and a level. A
// line without a level counts as info. A log level of warn or error holds for children too;
// what is finer is for the child's own level to say.
func (t *task) childOutput(name string, from hclog.Level) func(stream int, level hclog.Level, line string) {
	prefix := ""
	if t.plan.Log.Prefix {
		prefix = "[" + name + "] "
	}
	log := t.d.Log.Named(name)
	if own := t.d.Log.GetLevel(); own > hclog.Info {
		from = max(from, own)
	}
	return func(_ int, level hclog.Level, line string) {
		if level == hclog.NoLevel {
			level = hclog.Info
		}
		if level < from || level >= hclog.Warn && !t.d.Log.IsDebug() && t.harmless(name, line) {
			return
		}
		if t.plan.Log.Format == "json" {
			log.Log(level, line)
			return
		}
		t.d.Out.Line(prefix, []byte(printable.Text(dated(line, level, time.Now()))))
	}
}

// dated is the line with a time and a level as our own have them, unless it has its own.
func dated(line string, level hclog.Level, now time.Time) string {
	first, _, _ := strings.Cut(line, " ")
	if _, err := time.Parse(time.RFC3339, first); err == nil {
		return line
	}
	return fmt.Sprintf("%s %-7s %s", now.UTC().Format("2006-01-02T15:04:05.000Z07:00"), "["+strings.ToUpper(level.String())+"]", line)
}

// known is a line of a child's that reads like trouble in every healthy life. The reason is
// for who reads this table.
type known struct {
	child, part string
	when        func(*state.State) bool
	reason      string
}

func knownLines() []known {
	always := func(*state.State) bool { return true }
	joining := func(s *state.State) bool { return s.Joins == 0 }
	stopping := func(s *state.State) bool { return s.Stopping }
	return []known{
		{"consul-agent", "agent.router.manager: No servers available", joining, "the agent looks for servers before it has joined any"},
		{"consul-agent", `agent.anti_entropy: failed to sync remote state: error="No known Consul servers"`, joining, "it syncs before it has joined"},
		{"consul-agent", `agent.cache: handling error in Cache.Notify: cache-type=connect-ca-root error="No known Consul servers"`, joining, "with auto_encrypt it asks for the CA before it has joined"},
		{"consul-server", "agent.leaf-certs: handling error in Manager.Notify", always, "a new development server has no CA in its first moments"},
		{"consul-server", "agent.server.cert-manager: failed to handle cache update event", always, "likewise"},
		{"consul-server", "heartbeat timeout reached, starting election", always, "a new development server elects itself"},
		{"consul-agent", "agent.http: Request error: method=GET url=/v1/status/leader", joining, "we ask it for the leader until there is one"},
		{"consul-agent", "Check TCP connection failed", stopping, "Envoy has closed its listener, and is not deregistered yet"},
		{"consul-agent", "Check is now critical", stopping, "checks turn critical because the task stops"},
		{"consul-agent", "agent.http: Request error: method=GET url=/v1/agent/metrics", always, "a scrape asks for metrics that the token may not read, or that the agent does not keep: the scrape says so"},
		{"envoy", "There is no configured limit to the number of allowed active downstream connections", always, "Consul's bootstrap document sets none"},
		{"envoy", "gRPC config stream to " + bootstrap.AgentCluster + " closed", stopping, "its registration is taken back, or its agent leaves"},
		{"envoy", "gRPC config stream to " + bootstrap.ServersCluster + " closed", stopping, "its registration is taken back"},
	}
}

// harmless says whether a child's line is one that every healthy life has.
func (t *task) harmless(child, line string) bool {
	for _, k := range knownLines() {
		if k.child == child && strings.Contains(line, k.part) {
			var yes bool
			t.book.Read(func(s *state.State) { yes = k.when(s) })
			return yes
		}
	}
	return false
}
