package taskdef

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"meshtask/internal/install"
	"meshtask/internal/jsontree"
)

// injectDir is where the program stands in the app containers, unless Options.Binary says it.
const injectDir = "/mesh"

// injectable refuses what no injection can serve, and fills in where the program will be.
func (c *conversion) injectable() error {
	if !c.opt.Inject {
		return nil
	}
	if c.opt.Binary == "" {
		c.opt.Binary = path.Join(injectDir, install.Name)
	}
	dir, name := path.Split(c.opt.Binary)
	if !path.IsAbs(dir) || path.Clean(dir) == "/" || name != install.Name {
		return fmt.Errorf("--binary: with --inject want DIR/%s with an absolute DIR, such as /mesh/%s, got %q", install.Name, install.Name, c.opt.Binary)
	}
	var bad []error
	for _, app := range c.apps {
		for _, m := range app.Objects("mountPoints") {
			if path.Clean(m.Str("containerPath")) == path.Clean(dir) {
				bad = append(bad, fmt.Errorf("container %s mounts %s at %s, where --inject puts meshtask: give another place with --binary /DIR/%s", app.Str("name"), m.Str("sourceVolume"), dir, install.Name))
			}
		}
		bad = append(bad, c.commanded(app))
	}
	return errors.Join(bad...)
}

// commanded refuses an app whose command nobody says: meshtask cannot come before it.
func (c *conversion) commanded(app *jsontree.Object) error {
	name := app.Str("name")
	if len(app.Strings("entryPoint"))+len(app.Strings("command"))+len(c.opt.Entrypoints[name])+len(c.opt.Cmds[name]) > 0 {
		return nil
	}
	_, entry := c.opt.Entrypoints[name]
	if _, cmd := c.opt.Cmds[name]; entry && cmd {
		return fmt.Errorf("container %s: its image %s has neither ENTRYPOINT nor CMD, and the definition no command: write the container's command", name, app.Str("image"))
	}
	return fmt.Errorf("container %s: the definition names no command, and --inject has to put meshtask before the image's: give --image-config %s=FILE (docker inspect %s >FILE), or write the container's entryPoint and command", name, name, app.Str("image"))
}

// inject adds the container that puts the program into a volume, and the volume to all apps.
func (c *conversion) inject(mesh *jsontree.Object) {
	dir, name, volume := path.Dir(c.opt.Binary), free("meshtask-install", "-mesh", c.rest), free("meshtask_bin", "_mesh", c.def.Objects("volumes"))
	c.def.Set("volumes", append(c.def.List("volumes"), jsontree.New("name", volume)))
	first := jsontree.New("name", name, "image", mesh.Str("image"), "essential", false,
		"entryPoint", jsontree.Texts([]string{"meshtask"}), "command", jsontree.Texts([]string{"install", dir}), "user", "0",
		"mountPoints", []any{jsontree.New("sourceVolume", volume, "containerPath", dir)})
	if !c.def.Has("memory") {
		first.Set("memoryReservation", jsontree.Number(32))
	}
	if mesh.Has("logConfiguration") {
		first.Set("logConfiguration", jsontree.Clone(mesh.Get("logConfiguration")))
	}
	for _, app := range c.apps {
		app.Set("mountPoints", append(app.List("mountPoints"), jsontree.New("sourceVolume", volume, "containerPath", dir, "readOnly", true)))
		app.Set("dependsOn", append(app.List("dependsOn"), jsontree.New("containerName", name, "condition", "SUCCESS")))
	}
	c.def.Set("containerDefinitions", append(c.def.List("containerDefinitions"), first))
	c.say(Note, "containerDefinitions["+name+"]", "puts meshtask into volume %s, at %s of %s, and ends; as user 0, as ECS makes the volume root's. Their images stay as they are, and they start when it has ended with 0", volume, dir, strings.Join(names(c.apps), ", "))
}
