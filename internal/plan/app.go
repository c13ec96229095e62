package plan

import (
	"maps"
	"slices"
	"strings"
	"syscall"
	"time"

	"meshtask/internal/config"
	"meshtask/internal/secret"
)

// App is the user's command.
type App struct {
	Argv        []string
	Dir         string         // "": ours
	User        string         // name, uid or uid:gid; "": ours
	StopSignal  int            // 0: the signal that came
	Leader      bool           // signals go to the leader alone, not to its group
	StopTimeout *time.Duration // nil: what the stop budget leaves
	Restart     Restart
	Env         Environment
}

// Environment is what a child's environment is made of: ours, less Remove, with Set.
type Environment struct {
	Remove []string // names of variables that hold secrets of the mesh
	Consul bool     // keep CONSUL_ variables
	Set    []Variable
}

// Variable is one variable that is set: to Value, or to what From holds.
type Variable struct {
	Name  string
	Value string
	From  secret.Ref
}

// Of is the environment, made of ours and of what the references hold.
func (e Environment) Of(ours []string, resolve func(secret.Ref) string) []string {
	env := scrub(ours, e.Remove)
	if !e.Consul {
		env = ConsulFree(env)
	}
	for _, v := range e.Set {
		value := v.Value
		if !v.From.IsZero() {
			value = resolve(v.From)
		}
		env = Merge(env, v.Name+"="+value)
	}
	return env
}

func app(c *config.Config) *App {
	a := c.App
	if len(a.Command) == 0 {
		return nil
	}
	out := &App{Argv: a.Command, Dir: a.Dir, User: a.User, StopSignal: int(a.StopSignal), Leader: a.Signal == "leader",
		Restart: restart(a.Restart.Policy, a.Restart.Restart), Env: environment(c)}
	if a.StopTimeout.Given {
		out.StopTimeout = &a.StopTimeout.Duration
	}
	return out
}

func environment(c *config.Config) Environment {
	e := Environment{Consul: true}
	if c.Mode.Mesh() {
		e.Remove = append(c.SecretVariables(), "CONSUL_LICENSE") // the agent's
		for _, kv := range upstreams(c.Proxy.Upstreams) {
			name, value, _ := strings.Cut(kv, "=")
			e.Set = append(e.Set, Variable{Name: name, Value: value})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.App.Env)) {
		e.Set = append(e.Set, Variable{Name: name, Value: c.App.Env[name].Value, From: c.App.Env[name].From})
	}
	return e
}

// Restart is when and how often a process is started again.
type Restart struct {
	Policy     string // never, on-failure, always
	Max        int    // restarts within Window
	Window     time.Duration
	Backoff    time.Duration // doubles up to MaxBackoff
	MaxBackoff time.Duration
}

func restart(policy string, r config.Restart) Restart {
	return Restart{Policy: policy, Max: r.Max, Window: r.Window.Duration, Backoff: r.Backoff.Duration, MaxBackoff: r.MaxBackoff.Duration}
}

// Question asks the app, without a program: one of these, or none.
type Question struct {
	TCP  string // HOST:PORT
	HTTP string // URL
	GRPC string // HOST:PORT or HOST:PORT/SERVICE
}

// String is its kind and its target; "" for none.
func (q Question) String() string {
	switch {
	case q.TCP != "":
		return "tcp " + q.TCP
	case q.HTTP != "":
		return "http " + q.HTTP
	case q.GRPC != "":
		return "grpc " + q.GRPC
	}
	return ""
}

// Ready is when the app counts as up: one of these, else as soon as it runs.
type Ready struct {
	Question
	Exec    []string
	FD      int
	Timeout time.Duration
}

// Started says whether the app counts as up as soon as it runs.
func (r Ready) Started() bool { return r.Question == Question{} && len(r.Exec) == 0 && r.FD == 0 }

func readyOf(c *config.Config) Ready {
	r := c.App.Ready
	return Ready{Question: Question{TCP: r.TCP, HTTP: r.HTTP, GRPC: r.GRPC}, Exec: r.Exec, FD: r.FD, Timeout: r.Timeout.Duration}
}

// StopOn are the signals that begin a stop, besides TERM, INT and QUIT, also while there is no plan yet.
func StopOn(c *config.Config) (out []syscall.Signal) {
	for _, s := range c.App.StopOn {
		out = append(out, syscall.Signal(s))
	}
	return out
}
