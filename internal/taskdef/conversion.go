package taskdef

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"meshtask/internal/config"
	"meshtask/internal/jsontree"
)

// conversion is one Convert.
type conversion struct {
	opt      Options
	def      *jsontree.Object
	findings []Finding

	parts   map[part]*jsontree.Object // the containers of consul-ecs
	proxies []*jsontree.Object        // App Mesh's
	ports   []int                     // at which App Mesh redirected to the app
	rest    []*jsontree.Object        // all others
	apps    []*jsontree.Object        // those of rest that meshtask is to run
	doc     *jsontree.Object          // the configuration
	runner  *jsontree.Object          // the container that runs the mesh, and has the configuration
	wrapped []*jsontree.Object        // the containers that meshtask is the entrypoint of
	held    time.Duration             // how long consul-ecs's app-entrypoint held TERM back
	acls    bool                      // the agent had ACLs on
	noAgent bool                      // there are consulServers, and no agent
	aside   []*jsontree.Object        // variables and secrets that can be no reference, for the runner
}

func (c *conversion) say(l Level, path, format string, args ...any) {
	c.findings = append(c.findings, Finding{l, path, fmt.Sprintf(format, args...)})
}

// at is the path of a container's field.
func at(container *jsontree.Object, field string) string {
	return "containerDefinitions[" + container.Str("name") + "]." + field
}

func (c *conversion) convert() error {
	if err := c.platform(); err != nil {
		return err
	}
	if err := c.sort(); err != nil {
		return err
	}
	if err := c.layout(); err != nil {
		return err
	}
	if err := c.configure(); err != nil {
		return err
	}
	c.network()
	c.cut()
	switch c.opt.Layout {
	case Single:
		c.single(c.apps[0])
	case Siblings:
		c.siblings()
	}
	if err := c.fits(); err != nil {
		return err
	}
	c.tags()
	c.roles()
	return c.finish()
}

// fits refuses what ECS would: more containers than a task may have, once ours are added.
func (c *conversion) fits() error {
	all := names(c.def.Objects("containerDefinitions"))
	if len(all) <= maxContainers {
		return nil
	}
	had := len(c.rest)
	advice := "merge or remove as many, or make two task definitions of it"
	if c.opt.Inject && len(all)-1 <= maxContainers {
		advice = "leave out --inject, which saves " + all[len(all)-1] + " (the images of the apps then hold meshtask themselves), or merge or remove one"
	}
	return fmt.Errorf("the result would have %d containers, and ECS takes %d: %s of the definition and, added, %s: %s",
		len(all), maxContainers, strings.Join(all[:had], ", "), strings.Join(all[had:], " and "), advice)
}

// platform refuses where meshtask cannot run.
func (c *conversion) platform() error {
	if family := c.def.Obj("runtimePlatform").Str("operatingSystemFamily"); strings.HasPrefix(family, "WINDOWS") {
		return fmt.Errorf("runtimePlatform: %s: meshtask runs on Linux", family)
	}
	if slices.Contains(c.def.Strings("requiresCompatibilities"), "EXTERNAL") {
		return fmt.Errorf("requiresCompatibilities: EXTERNAL: ECS Anywhere has no network mode awsvpc, which gives a task an address of its own")
	}
	return nil
}

// sort tells consul-ecs's containers, apps and others apart.
func (c *conversion) sort() error {
	c.parts = map[part]*jsontree.Object{}
	var others []string
	for _, container := range c.def.Objects("containerDefinitions") {
		p, why := partOf(container)
		if why != nil {
			return why
		}
		if p != none && !slices.Contains(c.opt.Apps, container.Str("name")) {
			if twin := c.parts[p]; twin != nil {
				return fmt.Errorf("containers %s and %s both look like %s: rename one, or give --app NAME", twin.Str("name"), container.Str("name"), p)
			}
			c.parts[p] = container
			continue
		}
		if c.meshProxy(container) && !slices.Contains(c.opt.Apps, container.Str("name")) {
			c.proxies = append(c.proxies, container)
			continue
		}
		c.rest = append(c.rest, container)
		if len(c.opt.Apps) > 0 {
			if slices.Contains(c.opt.Apps, container.Str("name")) {
				c.apps = append(c.apps, container)
			}
			continue
		}
		if why := notApp(container); why != "" {
			others = append(others, container.Str("name"))
			c.say(Note, "containerDefinitions["+container.Str("name")+"]", "kept as it is: %s", why)
			continue
		}
		c.apps = append(c.apps, container)
	}
	if len(c.opt.Apps) > len(c.apps) {
		return fmt.Errorf("--app: the definition has no container %s; it has %s", missing(c.opt.Apps, c.apps), strings.Join(names(c.rest), ", "))
	}
	c.removeRedirection()
	switch {
	case len(c.rest) == 0 && len(c.proxies) > 0:
		return fmt.Errorf("the definition has App Mesh's proxy alone, as a virtual gateway: gateways are not supported")
	case len(c.rest) == 0:
		return fmt.Errorf("the definition has no container besides those of consul-ecs, as one of a gateway: there is no app to convert")
	case len(c.apps) == 0 && len(c.rest) == 1:
		c.apps = c.rest
	case len(c.apps) == 0:
		return fmt.Errorf("which container is the app? None of %s looks like one: give --app NAME", strings.Join(others, ", "))
	}
	return nil
}

func names(list []*jsontree.Object) []string {
	var out []string
	for _, o := range list {
		out = append(out, o.Str("name"))
	}
	return out
}

// free is a name that none of the list has: more is added until it is.
func free(name, more string, list []*jsontree.Object) string {
	for slices.Contains(names(list), name) {
		name += more
	}
	return name
}

func missing(want []string, have []*jsontree.Object) string {
	for _, name := range want {
		if !slices.Contains(names(have), name) {
			return name
		}
	}
	return ""
}

func (c *conversion) layout() error {
	if c.opt.Inject && c.opt.Layout == "" {
		c.opt.Layout = Siblings
	}
	switch {
	case c.opt.Inject && c.opt.Layout == Single:
		return fmt.Errorf("--inject: layout single needs consul and envoy in the app's image: want --layout siblings")
	case c.opt.Layout == "":
		c.opt.Layout = Single
		if len(c.apps) > 1 {
			c.opt.Layout = Siblings
		}
		c.say(Note, "layout", "%s: the definition has %d app container(s): %s", c.opt.Layout, len(c.apps), strings.Join(names(c.apps), ", "))
	case c.opt.Layout != Single && c.opt.Layout != Siblings:
		return fmt.Errorf("--layout: want %s or %s, got %q", Single, Siblings, c.opt.Layout)
	case c.opt.Layout == Single && len(c.apps) > 1:
		return fmt.Errorf("layout single wraps one app, but the definition has %d: %s. Give --app NAME (the others then start without waiting for the mesh), or --layout siblings",
			len(c.apps), strings.Join(names(c.apps), ", "))
	}
	if c.opt.Job && c.opt.Layout == Siblings {
		return fmt.Errorf("--job: a job is one container, in layout single")
	}
	var err error
	if c.opt.Entrypoints, err = c.named("--image-entrypoint", c.opt.Entrypoints); err != nil {
		return err
	}
	if c.opt.Cmds, err = c.named("--image-cmd", c.opt.Cmds); err != nil {
		return err
	}
	if err := c.images(); err != nil {
		return err
	}
	if err := c.injectable(); err != nil {
		return err
	}
	c.opt.Binary = cmp.Or(c.opt.Binary, "meshtask")
	return nil
}

// named puts the only app's name where OnlyApp stands, and refuses names that are
// no app's.
func (c *conversion) named(flag string, by map[string][]string) (map[string][]string, error) {
	out := map[string][]string{}
	for name, words := range by {
		if name == OnlyApp && len(c.apps) > 1 {
			return nil, fmt.Errorf("%s: the definition has %d apps: name the container, as in {%q: […]}", flag, len(c.apps), c.apps[0].Str("name"))
		}
		if name == OnlyApp {
			name = c.apps[0].Str("name")
		}
		if !slices.Contains(names(c.apps), name) {
			return nil, fmt.Errorf("%s: %q is no app container: %s", flag, name, strings.Join(names(c.apps), ", "))
		}
		out[name] = words
	}
	return out, nil
}

// mode is how the container that has the configuration runs.
func (c *conversion) mode() config.Mode {
	if c.opt.Job {
		return config.Job
	}
	return config.Run
}

// cut takes consul-ecs's and App Mesh's containers out, and what referred to them.
func (c *conversion) cut() {
	gone := map[string]bool{}
	for _, p := range []part{client, meshInit, controlPlane, proxy, dataplane, healthSync} {
		container := c.parts[p]
		if container == nil {
			continue
		}
		gone[container.Str("name")] = true
		c.leftover(p, container)
		c.say(Note, "containerDefinitions["+container.Str("name")+"]", "gone: %s", p.now())
	}
	for _, container := range c.proxies {
		gone[container.Str("name")] = true
		c.leftover(appMesh, container)
		c.say(Note, "containerDefinitions["+container.Str("name")+"]", "gone: %s", appMesh.now())
	}
	c.def.Filter("containerDefinitions", func(o *jsontree.Object) bool { return !gone[o.Str("name")] })
	for _, container := range c.rest {
		container.Filter("dependsOn", func(d *jsontree.Object) bool {
			name := d.Str("containerName")
			switch {
			case gone[name]:
				c.say(Note, at(container, "dependsOn"), "%s %s dropped: meshtask keeps the order", name, d.Str("condition"))
			case slices.Contains(names(c.apps), container.Str("name")):
				c.say(Note, at(container, "dependsOn"), "%s %s kept: ECS starts this container only then", name, d.Str("condition"))
			}
			if gone[name] {
				c.unknownFields(at(container, "dependsOn"), "dependsOn", d)
			}
			return !gone[name]
		})
		container.Filter("volumesFrom", func(v *jsontree.Object) bool {
			name := v.Str("sourceContainer")
			if gone[name] {
				c.say(Lost, at(container, "volumesFrom"), "%s is gone, and so are its volumes", name)
				c.unknownFields(at(container, "volumesFrom"), "volumesFrom", v)
			}
			return !gone[name]
		})
	}
	c.cutVolumes()
}

// cutVolumes takes consul-ecs's two volumes out, and every mount of them.
func (c *conversion) cutVolumes() {
	if len(c.parts) == 0 {
		return
	}
	ours := func(name string) bool { return name == "consul_data" || name == "consul_binary" }
	for _, container := range c.rest {
		container.Filter("mountPoints", func(m *jsontree.Object) bool {
			name := m.Str("sourceVolume")
			if !ours(name) {
				return true
			}
			if c.delayed(container) {
				c.say(Note, at(container, "mountPoints"), "%s dropped: it was there for consul-ecs app-entrypoint", name)
			} else {
				c.say(Lost, at(container, "mountPoints"), "%s at %s dropped: nothing writes what consul-ecs left there", name, m.Str("containerPath"))
			}
			c.unknownFields(at(container, "mountPoints"), "mountPoints", m)
			return false
		})
	}
	c.def.Filter("volumes", func(v *jsontree.Object) bool {
		if ours(v.Str("name")) {
			c.say(Note, "volumes["+v.Str("name")+"]", "dropped: it was consul-ecs's own")
			c.unknownFields("volumes["+v.Str("name")+"]", "volumes", v)
		}
		return !ours(v.Str("name"))
	})
}
