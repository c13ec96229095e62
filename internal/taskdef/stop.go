package taskdef

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"meshtask/internal/ecs"
	"meshtask/internal/jsontree"
	"meshtask/internal/plan"
	"meshtask/internal/servicename"
	"meshtask/lifecycle"
)

// The tags by which Consul on ECS, and the ACL controller, know a mesh task.
const (
	tagMesh      = "consul.hashicorp.com/mesh"
	tagService   = "consul.hashicorp.com/service-name"
	tagPartition = "consul.hashicorp.com/partition"
	tagNamespace = "consul.hashicorp.com/namespace"
)

func (c *conversion) tag(key string) string {
	for _, t := range c.def.Objects("tags") {
		if t.Str("key") == key {
			return t.Str("value")
		}
	}
	return ""
}

// tags adds the tags that are missing, and keeps the service's name what it was.
func (c *conversion) tags() {
	service, family := c.doc.Sub("service"), c.def.Str("family")
	name := service.Str("name")
	if name == "" {
		was := cmp.Or(c.tag(tagService), servicename.Default(family))
		if c.tag(tagService) == "" && len(c.parts) > 0 && !c.doc.Obj("acl").Has("login") && !c.legacyServers() {
			was = family // v0.3 and v0.4 registered the family as it is
		}
		if name = was; was != servicename.Default(family) {
			service.Insert("name", "port", was)
			c.say(Note, "service.name", "%s, as it was registered: meshtask's default is the family in lower case", was)
		}
	}
	if len(c.parts) > 0 && len(c.def.List("tags")) == 0 {
		c.say(Todo, "tags", "the file has none: describe the definition with --include TAGS, or add yours")
	}
	want := []string{tagMesh, "true", tagService, name}
	if ns, part := service.Str("namespace"), service.Str("partition"); ns != "" || part != "" {
		want = append(want, tagPartition, cmp.Or(part, "default"), tagNamespace, cmp.Or(ns, "default"))
	}
	for i := 0; i < len(want); i += 2 {
		if c.tag(want[i]) == "" && want[i+1] != "" {
			c.def.Set("tags", append(c.def.List("tags"), jsontree.New("key", want[i], "value", want[i+1])))
			c.say(Note, "tags", "%s = %s added; the ECS service needs propagateTags TASK_DEFINITION", want[i], want[i+1])
		}
	}
}

// finish sets the stop timeout, checks the configuration and puts it where it belongs.
func (c *conversion) finish() error {
	doc := c.ordered()
	if !c.opt.configHas("shutdown", "stopTimeout") {
		stop, err := c.stop(doc)
		if err != nil {
			return err
		}
		doc.Sub("shutdown").Insert("stopTimeout", "drain", stop.String())
	}
	cfg, warnings, err := c.load(doc)
	if err != nil {
		return err
	}
	for _, f := range warnings {
		level := Note
		if strings.HasPrefix(f.Path, "acl") || f.Path == "service.name" {
			level = Todo // ACLs without a token, or a service that gets none
		}
		c.say(level, configName+"."+f.Path, "%s", f.Text)
	}
	if a := cfg.ConsulAgent; len(c.parts) > 0 && !c.noAgent && a.VerifyServerHostname && !doc.Obj("consulAgent").Has("verifyServerHostname") {
		c.say(Note, configName+".consulAgent.verifyServerHostname", "true, which consul-ecs did not set: set it to false if the servers' certificates lack server.<datacenter>.<domain>")
	}
	if err := cfg.Resolve(c.identity()); err != nil {
		return err
	}
	p, err := plan.Stop(cfg, plan.Rows(cfg))
	if err != nil {
		return err
	}
	seconds := int(cfg.Shutdown.StopTimeout.Duration / time.Second)
	c.say(Note, at(c.runner, "stopTimeout"), "%s; the app may take %s and more", p, p.Share(lifecycle.App).Round(100*time.Millisecond))
	for _, container := range c.wrapped {
		container.Set("stopTimeout", jsontree.Number(seconds))
		if container != c.runner {
			setVariable(container, "MESHTASK_STOP_TIMEOUT", fmt.Sprintf("%ds", seconds))
		}
	}
	setVariable(c.runner, configName, jsontree.Compact(doc))
	return nil
}

func (c *conversion) identity() ecs.Identity {
	id := ecs.Local()
	id.Family, id.Container, id.Address = cmp.Or(c.def.Str("family"), "family"), c.runner.Str("name"), "10.0.0.1"
	return id
}

func setVariable(container *jsontree.Object, name, value string) {
	list := slices.DeleteFunc(slices.Clone(container.List("environment")), func(v any) bool {
		e, ok := v.(*jsontree.Object)
		return ok && e.Str("name") == name
	})
	container.Set("environment", append(list, jsontree.New("name", name, "value", value)))
}

// ordered is the document in the order of the contract, without empty stanzas.
func (c *conversion) ordered() *jsontree.Object {
	out := jsontree.New()
	for _, key := range append([]string{"service", "proxy", "healthSyncContainers", "consulAgent", "consulServers", "envoy", "acl", "app", "health", "shutdown"}, c.doc.Keys()...) {
		if in, ok := c.doc.Get(key).(*jsontree.Object); ok {
			prune(in)
			if len(in.Keys()) == 0 {
				continue
			}
		}
		if c.doc.Has(key) && !out.Has(key) {
			out.Set(key, c.doc.Get(key))
		}
	}
	return out
}

func prune(o *jsontree.Object) {
	o.Keep(func(_ string, v any) bool {
		in, ok := v.(*jsontree.Object)
		if ok {
			prune(in)
		}
		return !ok || len(in.Keys()) > 0
	})
}

// ECS's bounds of a stopTimeout: 30 s when none is given, at most 120 s on
// Fargate; EC2 has no cap, and ten minutes is the longest that is tried.
const (
	stopDefault = 30 * time.Second
	stopFargate = 120 * time.Second
	stopMax     = 10 * time.Minute
)

// stop is the shortest stop timeout, in whole seconds, whose plan leaves the app
// what it had: its stopTimeout, or ECS's default, less what consul-ecs's
// app-entrypoint held back. A new app had nothing, and gets a stop of ECS's default.
func (c *conversion) stop(doc *jsontree.Object) (time.Duration, error) {
	longest, had := stopFargate, time.Duration(0)
	if list := c.def.Strings("requiresCompatibilities"); len(list) > 0 && !slices.Contains(list, "FARGATE") {
		longest = stopMax
	}
	for _, app := range c.apps {
		t := stopDefault
		if app.Has("stopTimeout") {
			t = time.Duration(app.Num("stopTimeout")) * time.Second
		}
		had = max(had, t-c.held)
	}
	from := 5 * time.Second
	if c.opt.fresh {
		from, had = stopDefault, 0
	}
	for t := from; t < longest; t += time.Second {
		if left, err := c.left(doc, t); err == nil && left >= had {
			return t, nil
		}
	}
	left, err := c.left(doc, longest) // what is wrong with the longest is wrong with all
	if err != nil {
		return 0, err
	}
	if left < had {
		c.say(Todo, at(c.runner, "stopTimeout"), "the app had %s to stop; beside drain and leave, %s leave it %s", had, longest, left.Round(100*time.Millisecond))
	}
	return longest, nil
}

// left is what the plan of a stop timeout gives the app.
func (c *conversion) left(doc *jsontree.Object, stop time.Duration) (time.Duration, error) {
	try := jsontree.Clone(doc).(*jsontree.Object)
	try.Sub("shutdown").Set("stopTimeout", stop.String())
	cfg, _, err := c.load(try)
	if err != nil {
		return 0, err
	}
	p, err := plan.Stop(cfg, plan.Rows(cfg))
	return p.Share(lifecycle.App), err
}
