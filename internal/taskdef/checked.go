package taskdef

import (
	"slices"

	"meshtask/internal/jsontree"
)

// checked makes health.app of the configuration the ECS health check of the only app container:
// there the app is, and from there ECS tells the mesh container how it is. An address is asked by
// meshtask probe, which needs nothing of the image. Of several apps nobody says whose it is; the
// mesh container asks then.
func (c *conversion) checked(app *jsontree.Object) {
	own := c.doc.Obj("health").Obj("app")
	if len(c.apps) > 1 || len(own.Keys()) == 0 {
		return
	}
	command := own.Strings("command")
	for _, scheme := range []string{"http", "tcp", "grpc"} {
		target := own.Str(scheme)
		if target == "" {
			continue
		}
		if scheme != "http" { // whose target is a URL already
			target = scheme + "://" + target
		}
		command = []string{"CMD", c.opt.Binary, "probe", target}
	}
	if len(command) == 0 {
		return // it is wrong, which the configuration's own check says
	}
	check := jsontree.New("command", jsontree.Texts(command))
	for _, key := range []string{"interval", "timeout", "retries", "startPeriod"} {
		if own.Has(key) {
			check.Set(key, own.Get(key))
		}
	}
	said := "is health.app of the configuration, which ECS asks in this container"
	if app.Has("healthCheck") {
		said += ", instead of the definition's own"
	}
	app.Set("healthCheck", check)
	c.doc.Sub("health").Del("app")
	c.say(Note, at(app, "healthCheck"), "%s", said)
	name := app.Str("name")
	list := c.doc.Strings("healthSyncContainers")
	if !slices.Contains(list, name) && !c.doc.Obj("service").Has("checks") {
		c.doc.Set("healthSyncContainers", jsontree.Texts(append(list, name)))
		c.say(Note, "healthSyncContainers", "%s: its check is one of the service in Consul", name)
	}
}

// patient has ECS wait with an app's check: the app starts when the mesh is up, which may have to
// wait for servers and tokens, and failures before that would have ECS replace the task.
func (c *conversion) patient(app *jsontree.Object) {
	check := app.Obj("healthCheck")
	if cmd := check.Strings("command"); len(cmd) == 0 || cmd[0] == "NONE" {
		return
	}
	own := check.Num("startPeriod")
	start := min(checkStart+own, maxStart)
	check.Set("startPeriod", jsontree.Number(start))
	c.say(Note, at(app, "healthCheck.startPeriod"), "%d, was %d: the app starts when the mesh is up, and failures before that must not count", start, own)
}
