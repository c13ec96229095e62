package taskdef

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"syscall"

	"meshtask/internal/jsontree"
	"meshtask/internal/signame"
)

// Image is what an image's configuration says about its start and stop.
type Image struct {
	Entrypoint, Cmd []string
	StopSignal      string // as STOPSIGNAL has it; empty: TERM
}

// ReadImage reads the output of docker inspect for one image, or the image's configuration as a
// registry has it.
func ReadImage(text []byte) (Image, error) {
	var all []json.RawMessage
	if bytes.HasPrefix(bytes.TrimSpace(text), []byte("[")) {
		if err := json.Unmarshal(text, &all); err != nil {
			return Image{}, err
		}
		if len(all) != 1 {
			return Image{}, fmt.Errorf("it has %d images: want docker inspect of one", len(all))
		}
		text = all[0]
	}
	var doc struct {
		Config *struct { // docker's Config, and a registry's config
			Image
			Digest string
		}
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		return Image{}, err
	}
	switch {
	case doc.Config == nil:
		return Image{}, errors.New("it has no Config: want the output of docker inspect IMAGE, or an image's config from a registry")
	case doc.Config.Digest != "":
		return Image{}, fmt.Errorf("it is an image's manifest: want its config, blob %s", doc.Config.Digest)
	}
	return doc.Config.Image, nil
}

// images takes what the images' configurations say where no flag says it. A definition's
// entryPoint drops the image's CMD too, as docker does.
func (c *conversion) images() error {
	for name := range c.opt.Images {
		if name == OnlyApp && len(c.apps) > 1 {
			return fmt.Errorf("--image-config: the definition has %d apps: name the container, as in %s=FILE", len(c.apps), c.apps[0].Str("name"))
		}
		if name != OnlyApp && !slices.Contains(names(c.apps), name) {
			return fmt.Errorf("--image-config: %q is no app container: %s", name, strings.Join(names(c.apps), ", "))
		}
		if _, twice := c.opt.Images[OnlyApp]; twice && name != OnlyApp {
			return fmt.Errorf("--image-config: container %s is given twice, with its name and without: leave one of them out", name)
		}
	}
	c.opt.Entrypoints, c.opt.Cmds = maps.Clone(c.opt.Entrypoints), maps.Clone(c.opt.Cmds)
	for _, app := range c.apps {
		name := app.Str("name")
		i, ok := c.image(name)
		if !ok || len(app.Strings("entryPoint")) > 0 {
			continue
		}
		if _, told := c.opt.Entrypoints[name]; !told {
			c.opt.Entrypoints[name] = i.Entrypoint
		}
		if _, told := c.opt.Cmds[name]; !told {
			c.opt.Cmds[name] = i.Cmd
		}
	}
	return nil
}

func (c *conversion) image(container string) (Image, bool) {
	i, ok := c.opt.Images[container]
	if !ok && len(c.apps) == 1 {
		i, ok = c.opt.Images[OnlyApp]
	}
	return i, ok
}

// stopOn makes the image's STOPSIGNAL, which ECS sends instead of TERM, begin a stop.
func (c *conversion) stopOn(app *jsontree.Object) {
	i, ok := c.image(app.Str("name"))
	if !ok || i.StopSignal == "" {
		return
	}
	s, ok := signame.Parse(i.StopSignal)
	if !ok {
		c.say(Todo, at(app, "image"), "its STOPSIGNAL %s is not known here: set MESHTASK_STOP_ON", i.StopSignal)
		return
	}
	switch s {
	case syscall.SIGTERM:
		return
	case syscall.SIGINT, syscall.SIGQUIT:
		c.say(Note, at(app, "image"), "its STOPSIGNAL %s begins a stop as TERM does, and reaches the app", signame.Of(s))
		return
	}
	if !signame.BeginsStop(s) {
		c.say(Todo, at(app, "image"), "its STOPSIGNAL %s cannot begin a stop: ECS would end this container without one", signame.Of(s))
		return
	}
	const name = "MESHTASK_STOP_ON"
	if c.opt.Layout == Single && c.opt.configHas("app", "stopOn") { // the variable would win over it
		c.stopOnOfConfig(app, s)
		return
	}
	if have, ok := variable(app, name); ok {
		c.say(Note, at(app, "environment"), "%s stays %s; the image's STOPSIGNAL is %s", name, have, signame.Of(s))
		return
	}
	setVariable(app, name, signame.Short(s))
	c.say(Note, at(app, "environment"), "%s is %s, the image's STOPSIGNAL, which ECS sends instead of TERM", name, signame.Short(s))
}

// stopOnOfConfig leaves app.stopOn as the configuration has it, and says whether the image's
// STOPSIGNAL is in it.
func (c *conversion) stopOnOfConfig(app *jsontree.Object, s syscall.Signal) {
	on := c.doc.Obj("app").Strings("stopOn")
	for _, word := range on {
		if have, ok := signame.Parse(word); ok && have == s {
			return
		}
	}
	c.say(Todo, configName+".app.stopOn", "stays as --config has it (%s), without the image's STOPSIGNAL %s, which ECS sends to %s instead of TERM: add %s",
		strings.Join(on, ", "), signame.Of(s), app.Str("name"), signame.Short(s))
}
