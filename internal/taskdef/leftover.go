package taskdef

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// consumed are the variables and secrets of consul-ecs's containers that the
// configuration holds now.
var consumed = []string{
	legacyName, "CONSUL_DATACENTER", "CONSUL_CACERT", "CONSUL_CACERT_PEM", "CONSUL_HTTPS_CACERT_PEM",
	"CONSUL_GOSSIP_ENCRYPTION_KEY", "AGENT_TOKEN", "CONSUL_HTTP_TOKEN",
}

// leftover names what a container that goes had and the new definition has not.
func (c *conversion) leftover(p part, container *object) {
	if image := container.str("image"); image != "" && (p == client || p == proxy) {
		c.say(Note, at(container, "image"), "%s: the version that ran; meshtask's image brings its own", image)
	}
	for _, key := range container.keys {
		v := container.m[key]
		switch key {
		case "name", "image", "essential", "entryPoint", "command", "dependsOn", "ulimits", "portMappings":
		case "environment", "secrets":
			for _, e := range container.objects(key) {
				if !slices.Contains(consumed, e.str("name")) {
					c.say(Lost, at(container, key), "%s: give it to meshtask's container if the agent or Envoy needs it", e.str("name"))
				}
			}
		case "mountPoints":
			for _, m := range container.objects(key) {
				if name := m.str("sourceVolume"); name != "consul_data" && name != "consul_binary" {
					c.say(Lost, at(container, key), "volume %s was at %s: mount it in meshtask's container if the agent or Envoy needs it", name, m.str("containerPath"))
				}
			}
		case "healthCheck":
			c.say(Note, at(container, key), "gone: the check of meshtask's container covers it")
		case "logConfiguration":
			if (p == client || p == proxy) && c.opt.Layout == Single && !reflect.DeepEqual(v, c.apps[0].m[key]) {
				c.say(Note, at(container, key), "gone: the lines go to the log of %s, prefixed", c.apps[0].str("name"))
			}
		case "linuxParameters":
			for _, k := range container.obj(key).keys {
				if k != "initProcessEnabled" {
					c.say(Lost, at(container, key+"."+k), "set it for meshtask's container if it is needed")
				}
			}
		case "cpu", "memory", "memoryReservation":
			if n := container.num(key); n > 0 {
				c.say(Todo, at(container, key), "%d: add it to meshtask's container, which runs this part now", n)
			}
		default:
			if !empty(v) {
				c.say(Lost, at(container, key), "%s: set it for meshtask's container if it is needed", brief(v))
			}
		}
	}
}

func empty(v any) bool {
	switch v := v.(type) {
	case []any:
		return len(v) == 0
	case *object:
		return len(v.keys) == 0
	case string:
		return v == ""
	case bool:
		return !v
	}
	return fmt.Sprint(v) == "0"
}

// brief is a value in a finding, unless it is long.
func brief(v any) string {
	switch v := v.(type) {
	case []any:
		return fmt.Sprintf("%d item(s)", len(v))
	case *object:
		return strings.Join(v.keys, ", ")
	}
	return fmt.Sprint(v)
}

// network is awsvpc: service and sidecar have an address of their own.
func (c *conversion) network() {
	mode := c.def.str("networkMode")
	if mode == "awsvpc" {
		return
	}
	if mode == "" {
		mode = "bridge, the default"
	}
	c.def.insert("networkMode", "containerDefinitions", "awsvpc")
	c.say(Todo, "networkMode", "was %s, is awsvpc: a task of the mesh has an address of its own. The ECS service needs networkConfiguration, and its target group type ip", mode)
	for _, container := range c.def.objects("containerDefinitions") {
		for _, m := range container.objects("portMappings") {
			if host := m.num("hostPort"); m.has("hostPort") && host != m.num("containerPort") {
				m.del("hostPort")
				c.say(Note, at(container, "portMappings"), "host port %d of container port %d dropped: in awsvpc they are the same", host, m.num("containerPort"))
			}
		}
		for _, key := range []string{"links", "hostname", "dnsServers", "dnsSearchDomains", "extraHosts"} {
			if v := container.m[key]; !empty(v) && v != nil {
				container.del(key)
				c.say(Lost, at(container, key), "%s: awsvpc has no such setting; the containers of a task share 127.0.0.1", brief(v))
			}
		}
	}
}
