package config

import (
	"encoding/json"
	"net"
	"reflect"
	"strconv"
	"strings"
	"syscall"

	"meshtask/internal/jsontree"
	"meshtask/internal/secret"
	"meshtask/internal/signame"
)

// App is the user's process.
type App struct {
	Command     []string            `json:"command,omitempty"`    // CMD after -- wins; empty: the apps live in sibling containers
	StopSignal  Signal              `json:"stopSignal,omitempty"` // 0: the signal that came
	StopOn      []Signal            `json:"stopOn,omitempty"`     // begin a stop, besides TERM, INT and QUIT
	Signal      string              `json:"signal,omitempty"`     // group, leader: who gets signals
	User        string              `json:"user,omitempty"`       // name, uid or uid:gid; empty: ours
	Dir         string              `json:"dir,omitempty"`        // empty: ours
	Env         map[string]EnvValue `json:"env,omitempty"`
	StopTimeout Duration            `json:"stopTimeout,omitzero"` // 0: what the stop budget leaves
	Ready       Ready               `json:"ready,omitzero"`
	Restart     AppRestart          `json:"restart,omitzero"`
}

// AppRestart is a restart budget with the ends that it is for.
type AppRestart struct {
	Policy string `json:"policy,omitempty"` // never, on-failure, always
	Restart
}

// Ready is when the app counts as up. After Resolve exactly one of TCP, HTTP, GRPC,
// Exec, FD and Started is set. In JSON it is an object, or "started".
type Ready struct {
	TCP     string   `json:"tcp,omitempty"`  // HOST:PORT that accepts
	HTTP    string   `json:"http,omitempty"` // URL that answers 200 to 399
	GRPC    string   `json:"grpc,omitempty"` // HOST:PORT or HOST:PORT/SERVICE whose grpc.health.v1 says SERVING
	Exec    []string `json:"exec,omitempty"` // command that exits 0
	FD      int      `json:"fd,omitempty"`   // descriptor on which the app writes a newline
	Started bool     `json:"-"`              // as soon as it runs
	Timeout Duration `json:"timeout,omitzero"`
}

// EnvValue is a variable for the app: a literal, or a reference when From is
// set. In JSON a string; {"value": "…"} is a literal that looks like a
// reference.
type EnvValue struct {
	Value string
	From  secret.Ref
}

type literal struct {
	Value string `json:"value"`
}

// MarshalJSON is the form that Load takes.
func (r Ready) MarshalJSON() ([]byte, error) {
	if r.Started {
		return []byte(`"started"`), nil
	}
	type plain Ready
	return json.Marshal(plain(r))
}

// MarshalJSON is the form that Load takes.
func (v EnvValue) MarshalJSON() ([]byte, error) {
	switch {
	case !v.From.IsZero():
		return json.Marshal(v.From.String())
	case secret.Is(v.Value):
		return json.Marshal(literal{v.Value})
	}
	return json.Marshal(v.Value)
}

// variable takes a string, or {"value": string} for a literal that looks like
// a reference.
func (b *binder) variable(n any, p *EnvValue, path string) {
	switch n := n.(type) {
	case string:
		if secret.Is(n) {
			b.reference(n, &p.From, path)
		} else {
			p.Value = n
		}
	case *jsontree.Object:
		var l literal
		b.members(n, reflect.ValueOf(&l).Elem(), path)
		p.Value = l.Value
	default:
		b.error(path, `must be a string, a reference, or {"value": "…"}, got %s`, jsontree.Kind(n))
	}
}

func (v checker) app() {
	a := v.c.App
	v.argv("app.command", a.Command)
	if v.given["app.command"] && len(a.Command) == 0 {
		v.error("app.command", "must not be empty")
	}
	if s := syscall.Signal(a.StopSignal); s == syscall.SIGSTOP || s == syscall.SIGCHLD || s == syscall.SIGCONT {
		v.error("app.stopSignal", "%s cannot end a process: %s", a.StopSignal, signalForms)
	}
	for i, s := range a.StopOn {
		if !signame.BeginsStop(syscall.Signal(s)) {
			v.error(index("app.stopOn", i), "%s cannot begin a stop: set the image's STOPSIGNAL, such as WINCH, USR1 or QUIT", s)
		}
	}
	v.oneOf("app.signal", a.Signal, "group", "leader")
	v.match("app.user", a.User, user, "a user's name, a uid, or uid:gid")
	v.nonEmpty("app.user", a.User)
	v.nonEmpty("app.dir", a.Dir)
	for _, name := range sorted(a.Env) {
		at := join("app.env", name)
		if name == "" || strings.ContainsAny(name, "=\x00") {
			v.error(at, "a variable's name must not be empty or hold '=' or NUL")
		}
		v.text(at, a.Env[name].Value)
	}
	v.oneOf("app.restart.policy", a.Restart.Policy, "never", "on-failure", "always")
	v.restart("app.restart", a.Restart.Restart)
}

func (v checker) ready() {
	r := v.c.App.Ready
	var probes []string
	for _, p := range []string{"tcp", "http", "grpc", "exec", "fd"} {
		if v.given["app.ready."+p] {
			probes = append(probes, p)
		}
	}
	if len(probes) > 1 {
		v.error("app.ready", "set only one of tcp, http, grpc, exec and fd, got %s", strings.Join(probes, " and "))
	}
	for _, p := range probes {
		at := "app.ready." + p
		switch p {
		case "tcp":
			v.hostPort(at, r.TCP)
		case "http":
			v.url(at, r.HTTP)
		case "grpc":
			v.grpc(at, r.GRPC)
		case "exec":
			v.argv(at, r.Exec)
			if len(r.Exec) == 0 {
				v.error(at, "must not be empty")
			}
			v.selfProbe(at, r.Exec)
		case "fd":
			v.between(at, r.FD, 3, 1023, "")
			if v.c.Mode == Run && len(v.c.App.Command) == 0 {
				v.error(at, "needs a command, after -- or as app.command, which inherits descriptor %d: set tcp, http, grpc or exec for an app in another container", r.FD)
			}
		}
	}
	v.positive("app.ready.timeout", r.Timeout)
}

// defaultProbe picks the app's readiness probe where none was given.
func (c *Config) defaultProbe() {
	r := &c.App.Ready
	switch {
	case r.TCP != "" || r.HTTP != "" || r.GRPC != "" || len(r.Exec) > 0 || r.FD != 0 || r.Started:
	case c.Mode.Mesh() && c.Service.Port != 0:
		r.TCP = net.JoinHostPort(c.Proxy.LocalServiceAddress, strconv.Itoa(c.Service.Port))
	default:
		r.Started = true
	}
}
