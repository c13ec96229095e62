// Package settings makes of the flags of `meshtask taskdef`, which are words, what package taskdef
// takes. It knows their names, and reads the files that they name.
package settings

import (
	"fmt"
	"strconv"
	"strings"

	"meshtask/internal/taskdef"
	"meshtask/internal/words"
)

// Flags are those that were given, by name.
type Flags map[string]string

// File reads a file that a flag names, unless it has more than limit bytes.
type File func(name string, limit int) ([]byte, error)

// Options are what the flags of convert and render ask for. The error names the flag.
func (f Flags) Options(read File) (taskdef.Options, error) {
	o := taskdef.Options{Layout: f["layout"], Apps: words.List(f["app"]), RetryJoin: words.List(f["retry-join"]), Job: f["job"] == "true",
		Name: f["name"], Binary: f["binary"], MeshImage: f["mesh-image"], Inject: f["inject"] == "true"}
	var err error
	if file := f["config"]; file != "" {
		if o.Config, err = read(file, taskdef.MaxConfig); err != nil {
			return o, fmt.Errorf("--config: %w", err)
		}
	}
	if o.Port, err = f.whole("port"); err != nil {
		return o, err
	}
	if o.Entrypoints, err = f.byContainer("image-entrypoint", o.Apps); err != nil {
		return o, err
	}
	if o.Cmds, err = f.byContainer("image-cmd", o.Apps); err != nil {
		return o, err
	}
	o.Images, err = f.images(read)
	return o, err
}

// Description is what the flags of render say of the task beside its options o; command stands
// behind --.
func (f Flags) Description(o taskdef.Options, command []string) (taskdef.Description, error) {
	d := taskdef.Description{Name: o.Name, Port: o.Port, Image: f["image"], Command: command,
		Health: f["health"], Arch: f["arch"], LogGroup: f["log-group"], Region: f["region"],
		TaskRole: f["task-role"], ExecutionRole: f["execution-role"]}
	if len(command) == 0 {
		d.Command = taskdef.Command(f["command"])
	}
	var err error
	if d.CPU, err = f.whole("cpu"); err != nil {
		return d, err
	}
	d.Memory, err = f.whole("memory")
	return d, err
}

// images reads the files of --image-config.
func (f Flags) images(read File) (map[string]taskdef.Image, error) {
	out := map[string]taskdef.Image{}
	for _, word := range words.List(f["image-config"]) {
		container, file, ok := strings.Cut(word, "=")
		if !ok {
			container, file = taskdef.OnlyApp, word
		}
		if _, twice := out[container]; twice {
			return nil, fmt.Errorf("--image-config: %s is the second file for one container: name each container once, as in web=%s", file, file)
		}
		text, err := read(file, taskdef.MaxConfig)
		if err != nil {
			return nil, fmt.Errorf("--image-config: %w", err)
		}
		if out[container], err = taskdef.ReadImage(text); err != nil {
			return nil, fmt.Errorf("--image-config: %s: %w", file, err)
		}
	}
	return out, nil
}

// byContainer reads a flag of words by container.
func (f Flags) byContainer(name string, apps []string) (map[string][]string, error) {
	text, ok := f[name]
	if !ok {
		return nil, nil
	}
	by, err := taskdef.ByContainer(text, apps)
	if err != nil {
		return nil, fmt.Errorf("--%s: %w", name, err)
	}
	return by, nil
}

// whole reads a number above 0; an absent flag is 0.
func (f Flags) whole(name string) (int, error) {
	text, ok := f[name]
	if !ok {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n <= 0 {
		return 0, fmt.Errorf("--%s: want a number above 0, got %q", name, text)
	}
	return n, nil
}
