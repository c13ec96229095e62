package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

// stage is one FROM of a Dockerfile and what follows it.
type stage struct {
	name, from string
	steps      []step
}

// step is one instruction, as far as our Dockerfile uses them.
type step struct {
	op    string
	flags map[string]string
	args  []string // of the exec form, or the words
	exec  bool     // it is a JSON array
	text  string   // all behind the flags
}

// dockerfile is a description of images.
type dockerfile struct {
	args   map[string]string // of before the first FROM
	stages []stage
}

// parse reads what our Dockerfile is made of; given are build arguments. What it
// does not know is an error, so that the stand-in of an engine never builds
// something else.
func parse(text string, given map[string]string) (*dockerfile, error) {
	d := &dockerfile{args: map[string]string{}}
	for _, line := range logical(text) {
		op, rest, _ := strings.Cut(line, " ")
		s := step{op: op, flags: map[string]string{}}
		s.text = strings.TrimSpace(rest)
		for strings.HasPrefix(s.text, "--") {
			flag, more, _ := strings.Cut(s.text, " ")
			name, value, _ := strings.Cut(strings.TrimPrefix(flag, "--"), "=")
			s.flags[name], s.text = value, strings.TrimSpace(more)
		}
		body := s.text
		if s.op == "HEALTHCHECK" {
			body = strings.TrimSpace(strings.TrimPrefix(body, "CMD"))
		}
		s.exec = json.Unmarshal([]byte(body), &s.args) == nil
		if !s.exec {
			s.args = strings.Fields(body)
		}
		if err := d.add(s, given); err != nil {
			return nil, fmt.Errorf("%s: %w", line, err)
		}
	}
	return d, nil
}

// logical are the lines without comments and blank ones, continued ones joined.
func logical(text string) []string {
	var out []string
	joined := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if part, more := strings.CutSuffix(line, "\\"); more {
			joined += part
			continue
		}
		out = append(out, joined+line)
		joined = ""
	}
	return out
}

func (d *dockerfile) add(s step, given map[string]string) error {
	known := map[string][]string{"FROM": {"platform"}, "ARG": nil, "ENV": nil, "WORKDIR": nil, "RUN": nil, "COPY": {"from", "chown"}, "VOLUME": nil,
		"USER": nil, "STOPSIGNAL": nil, "ENTRYPOINT": nil, "CMD": nil, "HEALTHCHECK": {"interval", "timeout", "start-period", "retries"}}
	flags, ok := known[s.op]
	if !ok {
		return fmt.Errorf("this instruction is not known here")
	}
	for f := range s.flags {
		if !slices.Contains(flags, f) {
			return fmt.Errorf("the flag --%s is not known here", f)
		}
	}
	switch {
	case s.op == "FROM":
		st := stage{from: expand(s.args[0], d.args)}
		if len(s.args) == 3 && s.args[1] == "AS" {
			st.name = s.args[2]
		}
		d.stages = append(d.stages, st)
	case len(d.stages) > 0:
		last := &d.stages[len(d.stages)-1]
		last.steps = append(last.steps, s)
	case s.op == "ARG":
		d.args = with(d.args, s, given)
	default:
		return fmt.Errorf("it stands before the first FROM")
	}
	return nil
}

// stage finds a stage by its name.
func (d *dockerfile) stage(name string) (stage, bool) {
	for _, s := range d.stages {
		if s.name == name {
			return s, true
		}
	}
	return stage{}, false
}

// image is what an engine knows of an image: its tree and how it is run.
type image struct {
	Tree       string
	Entrypoint []string
	Cmd        []string
	Health     []string
	Volumes    []string
	Env        []string
	User       string
	Dir        string
	StopSignal string
}

// configure takes what a step says of the image's use; false: it says nothing.
func (i *image) configure(s step, vars map[string]string) bool {
	switch s.op {
	case "ENTRYPOINT":
		i.Entrypoint, i.Cmd = s.args, nil
	case "CMD":
		i.Cmd = s.args
	case "HEALTHCHECK":
		i.Health = s.args
	case "VOLUME":
		i.Volumes = append(slices.Clone(i.Volumes), s.args...)
	case "USER":
		i.User = s.text
	case "WORKDIR":
		i.Dir = s.text
	case "STOPSIGNAL":
		i.StopSignal = s.text
	case "ENV":
		i.Env = append(slices.Clone(i.Env), expand(s.text, vars))
	default:
		return false
	}
	return true
}

func expand(text string, vars map[string]string) string {
	return os.Expand(text, func(name string) string { return vars[name] })
}

// with are the variables and what an ARG step adds: the given value, else its
// default.
func with(vars map[string]string, s step, given map[string]string) map[string]string {
	name, fallback, _ := strings.Cut(s.text, "=")
	out := maps.Clone(vars)
	if value, ok := given[name]; ok {
		out[name] = value
	} else if fallback != "" {
		out[name] = expand(fallback, vars)
	}
	return out
}
