package conformance

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// how says how an init is run.
type how struct {
	flags   []string // of meshtask run
	config  string   // MESHTASK_CONFIG_JSON
	env     []string // the whole environment; nil is a small one
	dir     string
	before  []string // a command that executes the rest of its arguments
	stdin   *os.File // nil is the null device
	stdout  *os.File // nil is read by the test
	stderr  *os.File
	console bool // streams are a terminal
	group   bool // signals go to the group, by option or by default
	leader  bool // signals go to the app's process alone
}

// program is how to run a command under an init; nil when the init cannot do it so.
type program func(b *bed, h how, cmd []string) []string

func inits() map[string]program {
	return map[string]program{
		"meshtask": func(b *bed, h how, cmd []string) []string {
			argv := []string{filepath.Join(*binDir, "meshtask"), "run", "--no-mesh"}
			if h.leader {
				argv = append(argv, "--signal", "leader")
			}
			return append(append(append(argv, h.flags...), "--"), cmd...)
		},
		"tini": func(b *bed, h how, cmd []string) []string {
			argv := []string{"tini"}
			if b.place.name != "pid1" {
				argv = append(argv, "-s")
			}
			if h.group {
				argv = append(argv, "-g")
			}
			return append(append(argv, "--"), cmd...)
		},
		"dumb-init": func(b *bed, h how, cmd []string) []string {
			argv := []string{"dumb-init"}
			if h.leader {
				argv = append(argv, "-c")
			}
			return append(append(argv, "--"), cmd...)
		},
		"catatonit": func(b *bed, h how, cmd []string) []string {
			argv := []string{"catatonit"}
			if h.group {
				argv = append(argv, "-g")
			}
			return append(append(argv, "--"), cmd...)
		},
		"s6": s6,
	}
}

// s6 makes a scan directory with one service, which ends s6-svscan when it has ended, and
// hands its code on. That is how s6 is used for one program; it is more than an init.
func s6(b *bed, h how, cmd []string) []string {
	dir := b.TempDir()
	var quoted []string
	for _, arg := range cmd {
		quoted = append(quoted, "'"+strings.ReplaceAll(arg, "'", `'\''`)+"'")
	}
	wd := h.dir
	if wd == "" {
		wd = "/"
	}
	for name, text := range map[string]string{
		"app/run":           fmt.Sprintf("cd %s\nexec %s", wd, strings.Join(quoted, " ")),
		"app/finish":        fmt.Sprintf("c=$1; [ $c = 256 ] && c=$((128+$2))\necho exit $c >%s/code\nexec s6-svscanctl -t %s", dir, dir),
		".s6-svscan/finish": fmt.Sprintf(". %s/code", dir),
		".s6-svscan/crash":  "exit 111",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
			b.Fatal(err)
		}
	}
	return []string{"s6-svscan", dir}
}
