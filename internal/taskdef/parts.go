package taskdef

import (
	"fmt"
	"slices"
	"strings"

	"meshtask/internal/jsontree"
)

// part is a container of consul-ecs, or App Mesh's proxy. From consul-ecs 0.7 on there is no
// client: controlPlane (0.7) or meshInit and healthSync (0.8 and later), and dataplane.
type part string

const (
	none         part = ""
	client       part = "consul-client"
	meshInit     part = "consul-ecs-mesh-init"
	controlPlane part = "consul-ecs-control-plane"
	proxy        part = "sidecar-proxy"
	dataplane    part = "consul-dataplane"
	healthSync   part = "consul-ecs-health-sync"
	appMesh      part = "App Mesh's proxy"
)

// now says who does a part's work in the new definition.
func (p part) now() string {
	return map[part]string{
		client:       "meshtask runs the Consul agent itself",
		meshInit:     "meshtask registers the service itself",
		controlPlane: "meshtask registers the service and writes its checks itself",
		proxy:        "meshtask runs Envoy itself",
		dataplane:    "meshtask runs Envoy itself, which asks the servers",
		healthSync:   "meshtask writes the checks itself",
		appMesh:      "App Mesh has ended; meshtask runs an Envoy that Consul configures",
	}[p]
}

// partOf tells consul-ecs's containers by their fixed names, and renamed ones by
// what they run. The error is for definitions of another generation or kind.
func partOf(c *jsontree.Object) (part, error) {
	name := c.Str("name")
	argv := append(c.Strings("entryPoint"), c.Strings("command")...)
	words := strings.Fields(strings.Join(argv, " "))
	has := func(w string) bool { return slices.Contains(words, w) }
	first := ""
	if cmd := c.Strings("command"); len(cmd) > 0 {
		first = cmd[0]
	}
	switch {
	case first == "acl-controller" && (strings.Contains(name, "acl-controller") || has("-consul-client-secret-arn")):
		return none, fmt.Errorf("container %s is an ACL controller, not a mesh task: meshtask acl-controller takes the same flags, see deploy/acl-controller.json", name)
	case first == "controller" && strings.Contains(name, "consul-ecs-controller"):
		return none, fmt.Errorf("container %s is consul-ecs's controller, not a mesh task: meshtask acl-controller --agentless takes its place, see deploy/acl-controller.md", name)
	case name == string(dataplane) || has("consul-dataplane"):
		return dataplane, nil
	case name == string(controlPlane) || first == "control-plane":
		return controlPlane, nil
	case name == string(client) || isAgentScript(argv):
		return client, nil
	case name == string(meshInit) || first == "mesh-init":
		return meshInit, nil
	case name == string(proxy) || has("envoy-entrypoint"):
		return proxy, nil
	case name == string(healthSync) || first == "health-sync":
		return healthSync, nil
	}
	return none, nil
}

func isAgentScript(argv []string) bool {
	for _, a := range argv {
		if strings.Contains(a, "consul agent") && strings.Contains(a, "\n") && !strings.Contains(a, "-server") {
			return true
		}
	}
	return false
}

// agents are images of containers that serve the app and are not one.
var agents = []struct{ image, what string }{
	{"datadog/agent", "the Datadog agent"},
	{"datadog-agent", "the Datadog agent"},
	{"aws-xray-daemon", "the X-Ray daemon"},
	{"xray-daemon", "the X-Ray daemon"},
	{"aws-otel-collector", "the OpenTelemetry collector"},
	{"opentelemetry-collector", "the OpenTelemetry collector"},
	{"cloudwatch-agent", "the CloudWatch agent"},
	{"fluent-bit", "a log router"},
	{"fluentd", "a log router"},
	{"newrelic", "a New Relic agent"},
	{"nri-ecs", "a New Relic agent"},
	{"dynatrace", "a Dynatrace agent"},
	{"splunk", "a Splunk agent"},
	{"telegraf", "Telegraf"},
	{"timberio/vector", "Vector"},
	{"statsd", "a StatsD relay"},
	{"sysdig", "a Sysdig agent"},
	{"falcon", "a Falcon sensor"},
	{"sigv4-proxy", "a signing proxy"},
}

// notApp says why a container is not an app; "" when it may be one.
func notApp(c *jsontree.Object) string {
	if c.Has("firelensConfiguration") {
		return "the FireLens log router"
	}
	for _, a := range agents {
		if strings.Contains(c.Str("image"), a.image) {
			return a.what
		}
	}
	if v, ok := c.Get("essential").(bool); ok && !v {
		return "not essential (give --app " + c.Str("name") + " if it is an app)"
	}
	return ""
}
