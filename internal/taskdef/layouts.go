package taskdef

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"meshtask/internal/jsontree"
)

// single makes the app's container the whole task.
func (c *conversion) single(app *jsontree.Object) {
	c.runner, c.wrapped = app, []*jsontree.Object{app}
	c.moreMemory()
	words := []string{"run"}
	if c.opt.Job {
		words = append(words, "--job")
	}
	c.appSecrets(app)
	c.entry(app, words...)
	c.stopOn(app)
	c.probe(app)
	c.host(app)
	if v, ok := app.Get("essential").(bool); ok && !v {
		c.say(Todo, at(app, "essential"), "is false: the task would outlive its only app")
	}
	if app.Has("memory") {
		c.say(Todo, at(app, "memory"), "%d MiB: this limit holds %s as well now (idle, about %s)", app.Num("memory"), c.mesh(), c.meshMemory())
	}
	if v, _ := app.Get("readonlyRootFilesystem").(bool); v {
		c.writable(app)
	}
	for _, other := range c.rest {
		if other != app && notApp(other) == "" {
			c.say(Note, "containerDefinitions["+other.Str("name")+"]", "kept as it is: it starts without waiting for the mesh")
		}
	}
	c.say(Todo, at(app, "image"), "%s must hold %s: COPY --from them (docs/use-single-container.md)", app.Str("image"), c.programs())
}

// moreMemory says that a task that was in no mesh had no agent and no proxy to hold.
func (c *conversion) moreMemory() {
	if memory := c.def.Str("memory"); memory != "" && len(c.parts) == 0 && !c.opt.fresh {
		c.say(Todo, "memory", "%s MiB hold %s as well now (idle, about %s)", memory, c.mesh(), c.meshMemory())
	}
}

// programs are those that the container of the mesh runs.
func (c *conversion) programs() string {
	if c.noAgent && c.doc.Obj("envoy").Str("bootstrap") != "consul" {
		return "meshtask and envoy"
	}
	return "meshtask, consul and envoy"
}

// mesh is what the container of the mesh holds.
func (c *conversion) mesh() string {
	if c.noAgent {
		return "Envoy"
	}
	return "a Consul agent and Envoy"
}

// meshMemory is what mesh takes.
func (c *conversion) meshMemory() string {
	if c.noAgent {
		return "60 MB"
	}
	return "95 and 60 MB"
}

// stateDir is the one directory that meshtask writes to.
const stateDir = "/run/meshtask"

// writable gives a read-only container its state directory.
func (c *conversion) writable(app *jsontree.Object) {
	const name = "meshtask_state"
	c.def.Set("volumes", append(c.def.List("volumes"), jsontree.New("name", name)))
	app.Set("mountPoints", append(app.List("mountPoints"), jsontree.New("sourceVolume", name, "containerPath", stateDir)))
	c.say(Note, at(app, "mountPoints"), "%s at %s: the root is read-only, and meshtask writes there and nowhere else", name, stateDir)
	if user := app.Str("user"); user != "" && user != "0" && user != "root" {
		c.say(Todo, at(app, "user"), "%s must own %s: make it in the image, with VOLUME %s", user, stateDir, stateDir)
	}
}

// siblings adds the mesh container.
func (c *conversion) siblings() {
	name := free("meshtask", "-mesh", c.rest)
	mesh := jsontree.New("name", name, "image", cmp.Or(c.opt.MeshImage, "meshtask-mesh"), "essential", true, "entryPoint", jsontree.Texts([]string{"meshtask", "run"}))
	if c.opt.MeshImage == "" {
		c.say(Todo, at(mesh, "image"), "give --mesh-image: an image with %s (docs/use-siblings.md)", c.programs())
	}
	c.runner = mesh
	c.moreMemory()
	if !c.def.Has("memory") { // ECS on EC2 refuses a container that names no memory then
		mesh.Set("memoryReservation", json.Number("256"))
		c.say(Note, at(mesh, "memoryReservation"), "256 MiB: the task has no memory, so each container needs its own (%s: idle, about %s)", c.mesh(), c.meshMemory())
	}
	for _, from := range []*jsontree.Object{c.parts[client], c.parts[proxy], c.parts[dataplane], c.apps[0]} {
		if from != nil && from.Has("logConfiguration") {
			mesh.Set("logConfiguration", jsontree.Clone(from.Get("logConfiguration")))
			break
		}
	}
	c.host(mesh)
	var synced []string
	for _, app := range c.apps {
		c.entry(app, "app")
		c.stopOn(app)
		c.checked(app)
		c.patient(app)
		if app.Has("healthCheck") {
			synced = append(synced, app.Str("name"))
		} else {
			c.say(Note, at(app, "healthCheck"), "none: for Consul the app is healthy while it holds its lease and its port answers")
		}
		if !c.opt.Inject {
			c.say(Todo, at(app, "image"), "%s must hold meshtask: COPY --from it (docs/use-siblings.md)", app.Str("image"))
		}
	}
	c.wrapped = append(slices.Clone(c.apps), mesh)
	switch {
	case len(c.doc.List("healthSyncContainers")) > 0:
		c.known()
	case len(synced) > 0 && len(c.parts) == 0 && !c.doc.Obj("service").Has("checks"):
		c.doc.Set("healthSyncContainers", jsontree.Texts(synced))
		c.say(Note, "healthSyncContainers", "%s: the apps with a healthCheck", strings.Join(synced, ", "))
	}
	binary := c.opt.Binary
	if c.opt.Inject {
		binary = "meshtask" // the mesh image's own
	}
	c.check(mesh, 0, binary)
	c.def.Set("containerDefinitions", append(c.def.List("containerDefinitions"), mesh))
	if c.opt.Inject {
		c.inject(mesh)
	}
}

// known drops names of synced containers that are not there.
func (c *conversion) known() {
	var list []string
	for _, name := range c.doc.Strings("healthSyncContainers") {
		if slices.Contains(names(c.rest), name) {
			list = append(list, name)
		} else {
			c.say(Lost, "healthSyncContainers", "%s dropped: the definition has no such container", name)
		}
	}
	c.doc.Set("healthSyncContainers", jsontree.Texts(list))
}

// probe moves the app's health check into the configuration: the container's own
// is meshtask's answer, for the app and the mesh together.
func (c *conversion) probe(app *jsontree.Object) {
	name, check := app.Str("name"), app.Obj("healthCheck")
	list := c.doc.Strings("healthSyncContainers")
	was := slices.Contains(list, name)
	if was {
		id := "the same ID as before"
		if c.legacyServers() {
			id = "an ID of meshtask's"
		}
		c.say(Note, "healthSyncContainers", "%s taken out: its check has %s, and its state is health.app's, or whether the app runs", name, id)
	}
	list = slices.DeleteFunc(list, func(s string) bool { return s == name })
	c.doc.Del("healthSyncContainers")
	if len(list) > 0 {
		c.doc.Set("healthSyncContainers", jsontree.Texts(list))
		c.known()
	}
	switch cmd := check.Strings("command"); {
	case len(cmd) == 0 || cmd[0] == "NONE":
	case c.opt.configHas("health", "app"):
		c.say(Note, at(app, "healthCheck"), "dropped: --config has health.app, which meshtask asks and tells Consul; the container's own is meshtask health")
	default:
		own := jsontree.Clone(check).(*jsontree.Object)
		c.unknownFields(at(app, "healthCheck"), "healthCheck", check)
		for _, key := range check.Keys() {
			if !slices.Contains(shapes["healthCheck"], key) {
				own.Del(key)
			}
		}
		c.doc.Sub("health").Set("app", own)
		c.say(Note, at(app, "healthCheck"), "is health.app, which meshtask runs and tells Consul; the container's own is meshtask health")
		if !was && len(c.parts) > 0 && !c.doc.Obj("service").Has("checks") {
			c.say(Note, at(app, "healthCheck"), "consul-ecs did not sync it (essential was not written out); now Consul knows it")
		}
	}
	if !c.opt.Job {
		c.check(app, c.doc.Obj("health").Obj("app").Num("startPeriod"), c.opt.Binary)
	}
}

// The container's own check: quick, as it is the task's health, and patient
// while the agent joins.
const (
	checkInterval = 5
	checkTimeout  = 5
	checkRetries  = 3
	checkStart    = 120 // consulAgent.joinTimeout
	maxStart      = 300 // ECS's bound
)

func (c *conversion) check(container *jsontree.Object, grace int, binary string) {
	container.Set("healthCheck", jsontree.New("command", jsontree.Texts([]string{"CMD", binary, "health"}),
		"interval", jsontree.Number(checkInterval), "timeout", jsontree.Number(checkTimeout), "retries", jsontree.Number(checkRetries), "startPeriod", jsontree.Number(min(checkStart+grace, maxStart))))
}

// host gives the container that runs the mesh what consul-ecs's containers had.
func (c *conversion) host(runner *jsontree.Object) {
	for _, v := range c.aside {
		list := "environment"
		if v.Has("valueFrom") {
			list = "secrets"
		}
		runner.Set(list, append(runner.List(list), v))
	}
	for _, p := range []part{client, proxy, dataplane} {
		from := c.parts[p]
		if from == nil {
			continue
		}
		c.inherit(runner, from, "ulimits", func(o *jsontree.Object) string { return o.Str("name") })
		c.inherit(runner, from, "portMappings", func(o *jsontree.Object) string { return fmt.Sprint(o.Num("containerPort")) })
	}
}

// inherit gives runner what from had in a list, unless it has one of that key.
func (c *conversion) inherit(runner, from *jsontree.Object, list string, key func(*jsontree.Object) string) {
	have := map[string]*jsontree.Object{}
	for _, item := range runner.Objects(list) {
		if _, twice := have[key(item)]; !twice {
			have[key(item)] = item
		}
	}
	more := runner.List(list)
	for _, item := range from.Objects(list) {
		switch there := have[key(item)]; {
		case there == nil:
			have[key(item)] = jsontree.Clone(item).(*jsontree.Object)
			more = append(more, have[key(item)])
			c.say(Note, at(runner, list), "%s, from %s", key(item), from.Str("name"))
		case jsontree.Compact(there) != jsontree.Compact(item):
			c.say(Note, at(runner, list), "%s stays as it was here; %s had %s", key(item), from.Str("name"), jsontree.Compact(item))
		}
	}
	if len(more) > len(runner.List(list)) {
		runner.Set(list, more)
	}
}
