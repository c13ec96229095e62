package taskdef

import (
	"slices"
	"strings"
	"time"

	"meshtask/internal/jsontree"
)

// entry puts meshtask before the app's command.
func (c *conversion) entry(app *jsontree.Object, words ...string) {
	name := app.Str("name")
	ep, cmd := app.Strings("entryPoint"), app.Strings("command")
	image, told := c.opt.Entrypoints[name]
	if c.delayed(app) {
		ep, told = afterDelay(ep), true // consul-ecs had replaced the image's ENTRYPOINT as well
	} else if len(ep) == 0 {
		ep = image
	} else {
		told = true
	}
	if _, given := c.opt.Cmds[name]; len(cmd) == 0 && (given || len(ep) == 0) {
		cmd = c.opt.Cmds[name]
	}
	switch {
	case len(ep)+len(cmd) == 0:
		c.say(Todo, at(app, "command"), `the definition names no command, and the image's ENTRYPOINT and CMD are not known here: give them (--image-config, or --image-entrypoint and --image-cmd), or build the image with ENTRYPOINT ["%s"] and its former ENTRYPOINT and CMD as CMD. entryPoint is left out`,
			strings.Join(append([]string{c.opt.Binary}, append(words, "--")...), `", "`))
		app.Del("entryPoint")
		return
	case !told && strings.HasPrefix(cmd[0], "-"):
		c.say(Todo, at(app, "command"), "begins with %s: these are arguments of the image's ENTRYPOINT, which the new entryPoint drops: give it with --image-config or --image-entrypoint", cmd[0])
	case !told:
		c.say(Todo, at(app, "entryPoint"), `drops the image's ENTRYPOINT: if it has one, give it with --image-config or --image-entrypoint (or '[]' if it has none)`)
	}
	app.Insert("entryPoint", "command", jsontree.Texts(slices.Concat([]string{c.opt.Binary}, words, []string{"--"}, ep)))
	if len(cmd) > 0 {
		app.Set("command", jsontree.Texts(cmd))
	}
}

// delayed says whether the app starts through consul-ecs's app-entrypoint.
func (c *conversion) delayed(app *jsontree.Object) bool {
	return slices.Contains(app.Strings("entryPoint"), "app-entrypoint")
}

// afterDelay is what stands after app-entrypoint and its flags.
func afterDelay(ep []string) []string {
	rest := ep[slices.Index(ep, "app-entrypoint")+1:]
	for len(rest) > 0 && strings.HasPrefix(rest[0], "-") {
		if rest[0] == "--" {
			return rest[1:]
		}
		if !strings.Contains(rest[0], "=") {
			rest = rest[1:]
		}
		rest = rest[min(1, len(rest)):]
	}
	return rest
}

func shutdownDelay(app *jsontree.Object) time.Duration {
	ep := app.Strings("entryPoint")
	for i, a := range ep {
		name, v, ok := strings.Cut(strings.TrimLeft(a, "-"), "=")
		if name != "shutdown-delay" || !slices.Contains(ep, "app-entrypoint") {
			continue
		}
		if !ok && i+1 < len(ep) {
			v = ep[i+1]
		}
		d, err := time.ParseDuration(v)
		if err == nil {
			return d
		}
	}
	return 0
}
