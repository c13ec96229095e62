package config

import (
	"encoding/json"

	"meshtask/internal/secret"
)

// App is the user's process.
type App struct {
	Command     []string            `json:"command,omitempty"`    // CMD after -- wins; empty: the apps live in sibling containers
	StopSignal  Signal              `json:"stopSignal,omitempty"` // 0: the signal that came
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

// Ready is when the app counts as up. After Resolve exactly one of TCP, HTTP,
// Exec, FD and Started is set. In JSON it is an object, or "started".
type Ready struct {
	TCP     string   `json:"tcp,omitempty"`  // HOST:PORT that accepts
	HTTP    string   `json:"http,omitempty"` // URL that answers 200 to 399
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
