package config

import (
	"bytes"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"meshtask/internal/jsontree"
	"meshtask/internal/words"
)

// Sources is everything that a configuration is made of.
type Sources struct {
	Mode    Mode
	Name    string   // of the --config file
	File    []byte   // its content; nil: no --config, so the environment's documents
	Command []string // what stands after --; empty: nothing

	// Flags holds the flags that were given, by name without dashes
	// ("stop-timeout": "30s"; "no-drain": "true"). Others than those of
	// CONTRACT §1 are ignored. They win over MESHTASK_STOP_TIMEOUT and so on,
	// which win over the document. An empty variable counts as absent.
	Flags map[string]string

	// Env looks a variable up; nil: there is none.
	Env func(name string) (string, bool)

	// AgentKeys are the agent's settings that meshtask writes itself, and that
	// consulAgent.extraConfig must not hold; "a.b" refuses key b of object a.
	AgentKeys []string
}

// MaxDocument bounds a document, in bytes. Linux hands no longer variable than
// 128 KiB to a process; a file may be longer.
const MaxDocument = 1 << 20

// Load makes a configuration of its sources: the document (File, else
// MESHTASK_CONFIG_JSON, else CONSUL_ECS_CONFIG_JSON, else none), overridden by
// the MESHTASK_ variables and then by Flags, with defaults, validated. The
// error is an *Errors; warnings come with and without one. Without an error
// the Config waits only for Resolve.
func Load(s Sources) (c *Config, warnings []Finding, err error) {
	if c, warnings, err = gather(s); err != nil {
		c = nil
	}
	return c, warnings, err
}

// gather is Load, with what was read so far beside an error.
func gather(s Sources) (c *Config, warnings []Finding, err error) {
	env := func(name string) string {
		if s.Env == nil {
			return ""
		}
		v, _ := s.Env(name)
		return v
	}
	r := newReport()
	c = preset()
	c.Mode = s.Mode
	doc := s.document(c, env)
	good := doc == nil || c.read(doc, r)
	c.override(s, env, r)
	if !good {
		return c, nil, r.failed(c).because()
	}
	if len(s.Command) > 0 {
		c.App.Command = slices.Clone(s.Command)
	}
	c.fill(r, env)
	c.validate(r, s.AgentKeys)
	if len(r.errors) > 0 {
		return c, r.warnings, r.failed(c).because()
	}
	return c, r.warnings, nil
}

// LogOf is the log's settings in these sources, whatever else is wrong in them: what is wrong is
// said in the format that was asked for.
func LogOf(s Sources) Log {
	c, _, _ := gather(s)
	if c.Log.Format != "json" {
		c.Log.Format = "text"
	}
	return c.Log
}

// document picks the document and notes where it is from.
func (s Sources) document(c *Config, env func(string) string) []byte {
	if s.File != nil {
		c.Source = s.Name
		return s.File
	}
	for _, name := range []string{"MESHTASK_CONFIG_JSON", "CONSUL_ECS_CONFIG_JSON"} {
		if v := env(name); strings.TrimSpace(v) != "" {
			c.Source, c.ConsulECS = name, name == "CONSUL_ECS_CONFIG_JSON"
			return []byte(v)
		}
	}
	return nil
}

// read binds a document; false when it is not a JSON object at all.
func (c *Config) read(doc []byte, r *report) bool {
	if len(doc) > MaxDocument {
		r.error("", "the document has more than %d bytes", MaxDocument)
		return false
	}
	if len(bytes.TrimSpace(doc)) == 0 {
		r.error("", "the document is empty: want a JSON object")
		return false
	}
	tree, problems, err := jsontree.Parse(doc)
	if err != nil {
		r.error("", "%v", err)
		return false
	}
	for _, p := range problems {
		r.error(p.Path, "%s", p.Text)
	}
	root, ok := tree.(*jsontree.Object)
	if !ok {
		r.error("", "the document must be an object, got %s", jsontree.Kind(tree))
		return false
	}
	d := document{Config: c}
	b := binder{report: r}
	if c.ConsulECS {
		b.open = map[string]bool{"service": true, "proxy": true, "proxy.expose": true, "transparentProxy": true,
			"consulServers.defaults": true, "consulServers.http": true, "consulServers.grpc": true}
	}
	b.members(root, reflect.ValueOf(&d).Elem(), "")
	d.convert(r)
	return true
}

// override applies flags and variables. Bad values are reported by their name.
func (c *Config) override(s Sources, env func(string) string, r *report) {
	var limit Duration
	words := []struct {
		flag, path string
		set        func(v, path string)
	}{
		{"dir", "dir", func(v, _ string) { c.Dir = v }},
		{"retry-join", "consulAgent.retryJoin", func(v, _ string) { c.ConsulAgent.RetryJoin = words.List(v) }},
		{"stop-timeout", "shutdown.stopTimeout", func(v, p string) { r.duration(v, &c.Shutdown.StopTimeout, p) }},
		{"log-level", "log.level", func(v, _ string) { c.Log.Level = v }},
		{"log-format", "log.format", func(v, _ string) { c.Log.Format = v }},
		{"signal", "app.signal", func(v, _ string) { c.App.Signal = v }},
		{"stop-signal", "app.stopSignal", func(v, p string) { r.signal(v, &c.App.StopSignal, p) }},
		{"stop-on", "app.stopOn", func(v, p string) {
			c.App.StopOn = nil
			for _, name := range words.List(v) {
				var s Signal
				r.signal(name, &s, p)
				c.App.StopOn = append(c.App.StopOn, s)
			}
		}},
		{"no-drain", "shutdown.drain.enabled", func(v, p string) {
			off, err := strconv.ParseBool(v)
			if err != nil {
				r.error(p, "must be true or false, got %q", v)
			}
			c.Shutdown.Drain.Enabled = !off
		}},
		{"max-run-time", "max-run-time", func(v, p string) { r.duration(v, &limit, p) }},
	}
	for _, w := range words {
		name := "--" + w.flag
		v, given := s.Flags[w.flag]
		if !given {
			name = Variable(w.flag)
			v = env(name)
			given = v != ""
		}
		if given {
			r.given[w.path], r.alias[w.path] = true, name
			w.set(v, w.path)
		}
	}
	c.MaxRunTime = limit.Duration
	if limit.Given && c.MaxRunTime < time.Millisecond {
		r.error("max-run-time", "must be greater than 0s, got %s", limit)
	}
}

// Variable is the environment's name for a flag, which is without its dashes.
func Variable(flag string) string {
	return "MESHTASK_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}
