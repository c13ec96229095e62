package config

import (
	"maps"

	"meshtask/internal/servicename"
)

// ownMeta says whether a key of a registration is not the user's.
func ownMeta(key string) bool { return key == "task-id" || key == "task-arn" || key == "source" }

// Consul's own limits of a service's metadata, and how many keys are ours.
const (
	ourMeta      = 3
	maxMeta      = 64
	maxMetaValue = 512
)

func (v checker) service() {
	s := &v.c.Service
	v.match("service.name", s.Name, name, nameForm)
	if err := servicename.Check(s.Name); s.Name != "" && name(s.Name) && err != nil {
		v.odd("service.name", "%q %v; the ACL controller does not serve it", s.Name, err)
	}
	if v.given["service.port"] {
		v.port("service.port", s.Port)
	}
	v.set("service.tags", s.Tags)
	if w := s.Weights; w != nil {
		for _, name := range []string{"passing", "warning"} {
			if !v.given["service.weights."+name] {
				v.wrong("service.weights."+name, "required: both weights or none")
			}
		}
		if v.given["service.weights.passing"] {
			v.between("service.weights.passing", w.Passing, 1, 65535, "")
		}
		v.between("service.weights.warning", w.Warning, 0, 65535, "")
	}
	v.meta()
}

func (v checker) meta() {
	s := &v.c.Service
	s.Meta = maps.Clone(s.Meta)
	if n := maxMeta - ourMeta; len(s.Meta) > n {
		v.wrong("service.meta", "must have at most %d keys beside the %d of meshtask, got %d", n, ourMeta, len(s.Meta))
	}
	for _, key := range sorted(s.Meta) {
		at := join("service.meta", key)
		switch {
		case ownMeta(key):
			v.odd(at, "ignored: meshtask sets this key itself")
			delete(s.Meta, key)
		case !made(key, "_-", 128):
			v.wrong(at, "keys must have 1–128 letters, digits, '_' and '-'")
		case len(s.Meta[key]) > maxMetaValue:
			v.wrong(at, "must have at most %d bytes, got %d", maxMetaValue, len(s.Meta[key]))
		}
	}
}

// checks validates native checks by the rules that Consul itself has, so that
// they are known before anything starts.
func (v checker) checks() {
	ids := map[string]bool{}
	for i, c := range v.c.Service.Checks {
		at := index("service.checks", i)
		if c.Name == "" {
			v.wrong(at+".name", "required")
		}
		if c.CheckID != "" && ids[c.CheckID] {
			v.wrong(at+".checkId", "%q is given twice", c.CheckID)
		}
		ids[c.CheckID] = true
		if c.Status != "" {
			v.word(at+".status", c.Status, "passing", "warning", "critical", "maintenance")
		}
		probe := len(c.Args) > 0 || c.HTTP != "" || c.TCP != "" || c.UDP != "" || c.GRPC != "" || c.H2Ping != ""
		alias := c.AliasNode != "" || c.AliasService != ""
		switch {
		case probe && c.TTL.Duration > 0:
			v.wrong(at+".ttl", "not with a probe: give interval, or ttl alone")
		case probe && c.Interval.Duration <= 0:
			v.wrong(at+".interval", "required, longer than nothing")
		case !probe && !alias && c.TTL.Duration <= 0:
			v.wrong(at, "what is checked is missing: give one of http, tcp, udp, grpc, h2ping, args, aliasService, ttl")
		}
		if c.HTTP != "" {
			v.url(at+".http", c.HTTP)
		}
		for _, a := range []struct{ name, value string }{{"tcp", c.TCP}, {"udp", c.UDP}, {"h2ping", c.H2Ping}} {
			if a.value != "" {
				v.hostPort(at+"."+a.name, a.value)
			}
		}
		for _, n := range []struct {
			name  string
			value int
		}{{"successBeforePassing", c.SuccessBeforePassing}, {"failuresBeforeCritical", c.FailuresBeforeCritical}} {
			if n.value < 0 {
				v.wrong(at+"."+n.name, "must not be negative, got %d", n.value)
			}
		}
	}
}
