package taskdef

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"meshtask/internal/jsontree"
)

// consumed are the variables and secrets of consul-ecs's containers that the
// configuration holds now.
var consumed = []string{
	legacyName, "CONSUL_DATACENTER", "CONSUL_CACERT", "CONSUL_CACERT_PEM", "CONSUL_HTTPS_CACERT_PEM",
	"CONSUL_GRPC_CACERT_PEM", "CONSUL_GOSSIP_ENCRYPTION_KEY", "AGENT_TOKEN", "CONSUL_HTTP_TOKEN",
}

// shapes are the members, as ECS has them today, of the objects that may go. What
// else such an object holds is named: it may mean something tomorrow.
var shapes = map[string][]string{
	"dependsOn":        {"containerName", "condition"},
	"environment":      {"name", "value"},
	"healthCheck":      {"command", "interval", "retries", "startPeriod", "timeout"},
	"logConfiguration": {"logDriver", "options", "secretOptions"},
	"mountPoints":      {"containerPath", "readOnly", "sourceVolume"},
	"portMappings":     {"appProtocol", "containerPort", "containerPortRange", "hostPort", "name", "protocol"},
	"secrets":          {"name", "valueFrom"},
	"ulimits":          {"hardLimit", "name", "softLimit"},
	"volumes":          {"host", "name"},
	"volumesFrom":      {"readOnly", "sourceContainer"},
}

// unknownFields names the members of an object of that kind which ECS does not have today.
func (c *conversion) unknownFields(path, kind string, o *jsontree.Object) {
	for _, key := range o.Keys() {
		if !slices.Contains(shapes[kind], key) {
			c.say(Lost, path+"."+key, "gone with what it stood in; it is not known here")
		}
	}
}

// leftover names what a container that goes had and the new definition has not.
func (c *conversion) leftover(p part, container *jsontree.Object) {
	for _, key := range container.Keys() {
		if _, known := shapes[key]; !known {
			continue
		}
		for _, o := range append(container.Objects(key), container.Obj(key)) {
			c.unknownFields(at(container, key), key, o)
		}
	}
	if image := container.Str("image"); image != "" && (p == client || p == proxy || p == dataplane || p == appMesh) {
		c.say(Note, at(container, "image"), "%s: the version that ran; meshtask's image brings its own", image)
	}
	for _, key := range container.Keys() {
		v := container.Get(key)
		switch key {
		case "name", "image", "essential", "entryPoint", "command", "dependsOn", "ulimits", "portMappings":
		case "environment", "secrets":
			for _, e := range container.Objects(key) {
				if p == appMesh && strings.HasPrefix(e.Str("name"), "APPMESH_") {
					c.say(Note, at(container, key), "%s gone: %s", e.Str("name"), e.Str("value"))
				} else if !slices.Contains(consumed, e.Str("name")) {
					c.say(Lost, at(container, key), "%s: give it to meshtask's container if the agent or Envoy needs it", e.Str("name"))
				}
			}
		case "mountPoints":
			for _, m := range container.Objects(key) {
				if name := m.Str("sourceVolume"); name != "consul_data" && name != "consul_binary" {
					c.say(Lost, at(container, key), "volume %s was at %s: mount it in meshtask's container if the agent or Envoy needs it", name, m.Str("containerPath"))
				}
			}
		case "user":
			switch {
			case p == appMesh:
				c.say(Note, at(container, key), "%v gone: the redirection told its own traffic by it", v)
			case c.noAgent && (v == "5995" || v == "5996"):
				c.say(Note, at(container, key), "%v gone: it was consul-ecs's own", v)
			default:
				c.say(Lost, at(container, key), "%s: set it for meshtask's container if it is needed", brief(v))
			}
		case "healthCheck":
			c.say(Note, at(container, key), "gone: the check of meshtask's container covers it")
		case "logConfiguration":
			if log := c.logs(); !reflect.DeepEqual(v, log.Get(key)) {
				c.say(Note, at(container, key), "gone (%s): the lines go to the log of %s, prefixed", brief(v), log.Str("name"))
			}
		case "linuxParameters":
			for _, k := range container.Obj(key).Keys() {
				if v := container.Obj(key).Get(k); k != "initProcessEnabled" && !empty(v) {
					c.say(Lost, at(container, key+"."+k), "%s: set it for meshtask's container if it is needed", brief(v))
				}
			}
		case "cpu", "memory", "memoryReservation":
			if n := container.Num(key); n > 0 {
				c.say(Todo, at(container, key), "%d: add it to meshtask's container, which runs this part now", n)
			}
		default:
			if !empty(v) {
				c.say(Lost, at(container, key), "%s: set it for meshtask's container if it is needed", brief(v))
			}
		}
	}
}

// logs is the container whose log the mesh's lines go to.
func (c *conversion) logs() *jsontree.Object {
	from := c.apps[0]
	if c.opt.Layout == Siblings {
		for _, p := range []part{proxy, dataplane, client} {
			if part := c.parts[p]; part != nil && part.Has("logConfiguration") {
				from = part
			}
		}
	}
	return from
}

func empty(v any) bool {
	switch v := v.(type) {
	case []any:
		return len(v) == 0
	case *jsontree.Object:
		return len(v.Keys()) == 0
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
	case *jsontree.Object:
		var names []string
		for _, k := range v.Keys() {
			if in, ok := v.Get(k).(*jsontree.Object); ok && len(in.Keys()) > 0 {
				k += " (" + brief(in) + ")"
			}
			names = append(names, k)
		}
		return strings.Join(names, ", ")
	}
	return fmt.Sprint(v)
}

// network is awsvpc: service and sidecar have an address of their own.
func (c *conversion) network() {
	mode := c.def.Str("networkMode")
	if mode == "awsvpc" {
		return
	}
	if mode == "" {
		mode = "bridge, the default"
	}
	c.def.Insert("networkMode", "containerDefinitions", "awsvpc")
	c.say(Todo, "networkMode", "was %s, is awsvpc: a task of the mesh has an address of its own. The ECS service needs networkConfiguration, and its target group type ip", mode)
	for _, container := range c.def.Objects("containerDefinitions") {
		for _, m := range container.Objects("portMappings") {
			if host := m.Num("hostPort"); m.Has("hostPort") && host != m.Num("containerPort") {
				m.Del("hostPort")
				c.say(Note, at(container, "portMappings"), "host port %d of container port %d dropped: in awsvpc they are the same", host, m.Num("containerPort"))
			}
		}
		for _, key := range []string{"links", "hostname", "dnsServers", "dnsSearchDomains", "extraHosts"} {
			if v := container.Get(key); !empty(v) && v != nil {
				container.Del(key)
				c.say(Lost, at(container, key), "%s: awsvpc has no such setting; the containers of a task share 127.0.0.1", brief(v))
			}
		}
	}
}
