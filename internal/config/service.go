package config

import (
	"maps"

	"meshtask/internal/servicename"
)

// Service is the app as Consul sees it, with consul-ecs's keys.
type Service struct {
	Name              string            `json:"name,omitempty"` // default: task family, lower-cased
	Port              int               `json:"port,omitempty"` // 0: the app takes no traffic
	Tags              []string          `json:"tags,omitempty"`
	Meta              map[string]string `json:"meta,omitempty"` // without task-id, task-arn and source, which are ours
	Weights           *Weights          `json:"weights,omitempty"`
	EnableTagOverride bool              `json:"enableTagOverride,omitempty"`
	Namespace         string            `json:"namespace,omitempty"`
	Partition         string            `json:"partition,omitempty"`
	Checks            []Check           `json:"checks,omitempty"` // native Consul checks, registered as they are
}

// Weights are the DNS weights of a service; nil is Consul's 1 and 1.
type Weights struct {
	Passing int `json:"passing"`
	Warning int `json:"warning"`
}

// Check is a native Consul check: the kinds that consul-ecs passed on, and UDP,
// which its schema had and its code dropped.
type Check struct {
	CheckID                string              `json:"checkId,omitempty"`
	Name                   string              `json:"name"`
	Args                   []string            `json:"args,omitempty"`
	Interval               Duration            `json:"interval,omitzero"`
	Timeout                Duration            `json:"timeout,omitzero"`
	TTL                    Duration            `json:"ttl,omitzero"`
	HTTP                   string              `json:"http,omitempty"`
	Header                 map[string][]string `json:"header,omitempty"`
	Method                 string              `json:"method,omitempty"`
	Body                   string              `json:"body,omitempty"`
	TCP                    string              `json:"tcp,omitempty"`
	UDP                    string              `json:"udp,omitempty"`
	Status                 string              `json:"status,omitempty"`
	Notes                  string              `json:"notes,omitempty"`
	TLSServerName          string              `json:"tlsServerName,omitempty"`
	TLSSkipVerify          bool                `json:"tlsSkipVerify,omitempty"`
	GRPC                   string              `json:"grpc,omitempty"`
	GRPCUseTLS             bool                `json:"grpcUseTls,omitempty"`
	H2Ping                 string              `json:"h2ping,omitempty"`
	H2PingUseTLS           bool                `json:"h2pingUseTls,omitempty"`
	AliasNode              string              `json:"aliasNode,omitempty"`
	AliasService           string              `json:"aliasService,omitempty"`
	SuccessBeforePassing   int                 `json:"successBeforePassing,omitempty"`
	FailuresBeforeCritical int                 `json:"failuresBeforeCritical,omitempty"`
}

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
		v.warn("service.name", "%q %v; the ACL controller does not serve it", s.Name, err)
	}
	if v.given["service.port"] {
		v.port("service.port", s.Port)
	}
	v.distinct("service.tags", s.Tags)
	if w := s.Weights; w != nil {
		for _, name := range []string{"passing", "warning"} {
			if !v.given["service.weights."+name] {
				v.error("service.weights."+name, "required: set both weights or none")
			}
		}
		if v.given["service.weights.passing"] {
			v.between("service.weights.passing", w.Passing, 1, 65535, "")
		}
		v.between("service.weights.warning", w.Warning, 0, 65535, "")
	}
	s.Meta = v.metaOf("service.meta", s.Meta)
}

// metaOf checks metadata, and is what of it is the user's.
func (v checker) metaOf(path string, given map[string]string) map[string]string {
	meta := maps.Clone(given)
	if n := maxMeta - ourMeta; len(meta) > n {
		v.error(path, "must have at most %d keys besides meshtask's own %d, got %d", n, ourMeta, len(meta))
	}
	for _, key := range sorted(meta) {
		at := join(path, key)
		switch {
		case ownMeta(key):
			v.warn(at, "ignored: meshtask sets this key itself")
			delete(meta, key)
		case !consistsOf(key, "_-", 128):
			v.error(at, "keys must have 1–128 letters, digits, '_' and '-'")
		case len(meta[key]) > maxMetaValue:
			v.error(at, "must have at most %d bytes, got %d", maxMetaValue, len(meta[key]))
		}
	}
	return meta
}

// checks validates native checks by the rules that Consul itself has, so that
// they are known before anything starts.
func (v checker) checks() {
	ids := map[string]bool{}
	for i, c := range v.c.Service.Checks {
		at := index("service.checks", i)
		if c.Name == "" {
			v.error(at+".name", "required")
		}
		if c.CheckID != "" && ids[c.CheckID] {
			v.error(at+".checkId", "%q is given twice", c.CheckID)
		}
		ids[c.CheckID] = true
		if c.Status != "" {
			v.oneOf(at+".status", c.Status, "passing", "warning", "critical", "maintenance")
		}
		probe := len(c.Args) > 0 || c.HTTP != "" || c.TCP != "" || c.UDP != "" || c.GRPC != "" || c.H2Ping != ""
		alias := c.AliasNode != "" || c.AliasService != ""
		switch {
		case probe && c.TTL.Duration > 0:
			v.error(at+".ttl", "cannot be combined with a probe: set interval instead, or ttl alone")
		case probe && c.Interval.Duration <= 0:
			v.error(at+".interval", "required, and greater than 0s")
		case !probe && !alias && c.TTL.Duration <= 0:
			v.error(at, "has no probe: set one of http, tcp, udp, grpc, h2ping, args, aliasService, ttl")
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
				v.error(at+"."+n.name, "must not be negative, got %d", n.value)
			}
		}
	}
}
