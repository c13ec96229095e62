// Package dev makes a laptop or a CI job look like an ECS task: a free address
// on loopback, the documents of the task metadata endpoint, a configuration
// with everything that was not given, and the command line of a Consul
// development server. It starts no process and knows nothing of the task that
// runs on it.
package dev

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// ServerAddress is where the development server of this machine is: the first
// `meshtask dev` starts it, later ones join it.
const ServerAddress = "127.0.0.1"

// ServerArgs are the arguments of `consul` for a server at address, with its
// UI, whose state is gone when it ends.
func ServerArgs(address string) []string {
	return []string{"agent", "-dev", "-node", "dev-server", "-bind", address, "-client", address, "-log-level", "warn",
		"-hcl", "ports { dns = -1, serf_wan = -1, grpc_tls = -1 } ui_config { enabled = true } disable_update_check = true"}
}

// Lives says whether a Consul server at address answers and has a leader.
func Lives(ctx context.Context, address string) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	t := &http.Transport{}
	defer t.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(address, "8500")+"/v1/status/leader", nil)
	if err != nil {
		return false
	}
	resp, err := (&http.Client{Transport: t}).Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	leader, err := io.ReadAll(io.LimitReader(resp.Body, 256))
	return err == nil && resp.StatusCode == http.StatusOK && len(strings.Trim(string(leader), "\"\n ")) > 0
}

// ports are what a task binds on its address by default.
var ports = []int{8301, 8500, 8502, 20000}

// Address is a loopback address of 127.77.0.0/16 on which none of a task's
// ports is bound.
func Address() (string, error) {
	for n := 2; n < 1<<16-1; n++ {
		a := fmt.Sprintf("127.77.%d.%d", n>>8, n&255)
		if free(a) {
			return a, nil
		}
	}
	return "", fmt.Errorf("no address of 127.77.0.0/16 has the ports %v free", ports)
}

func free(address string) bool {
	for _, p := range ports {
		l, err := net.Listen("tcp", net.JoinHostPort(address, strconv.Itoa(p)))
		if err != nil {
			return false
		}
		_ = l.Close()
	}
	return true
}

// Task is what a development task is called and where it is.
type Task struct {
	ID, Service, Address, Server string
	Port                         int // of the app; 0: it takes no traffic
}

// Config completes doc, a configuration as its user wrote it or nil, with what
// is missing. What is there stays.
func Config(doc []byte, t Task) ([]byte, error) {
	have := map[string]any{}
	if len(doc) > 0 {
		if err := json.Unmarshal(doc, &have); err != nil {
			return nil, fmt.Errorf("cannot read the configuration: %w", err)
		}
	}
	service := map[string]any{"name": t.Service}
	if t.Port != 0 {
		service["port"] = t.Port
	}
	fill(have, map[string]any{
		"service":     service,
		"task":        map[string]any{"address": t.Address},
		"consulAgent": map[string]any{"retryJoin": []string{t.Server}},
		// The app of a laptop listens where it always does.
		"proxy": map[string]any{"localServiceAddress": "127.0.0.1"},
	})
	return json.MarshalIndent(have, "", "  ")
}

func fill(have, more map[string]any) {
	for key, value := range more {
		old, there := have[key]
		inner, ok := old.(map[string]any)
		add, object := value.(map[string]any)
		switch {
		case !there || old == nil:
			have[key] = value
		case ok && object:
			fill(inner, add)
		}
	}
}

// Metadata serves the task metadata endpoint, version 4, of one task with one
// container: the paths "" and /task below /v4/ID.
func Metadata(t Task) http.Handler {
	arn := "arn:aws:ecs:local:000000000000:"
	container := map[string]any{
		"DockerId": t.ID + "-1", "Name": t.Service, "DockerName": t.Service, "Type": "NORMAL", "DesiredStatus": "RUNNING", "KnownStatus": "RUNNING",
		"Limits":   map[string]any{"CPU": 0},
		"Networks": []any{map[string]any{"NetworkMode": "awsvpc", "IPv4Addresses": []string{t.Address}}},
	}
	task := map[string]any{
		"Cluster": arn + "cluster/dev", "TaskARN": arn + "task/dev/" + t.ID, "Family": t.Service, "Revision": "1",
		"DesiredStatus": "RUNNING", "KnownStatus": "RUNNING", "LaunchType": "EXTERNAL", "Containers": []any{container},
	}
	mux := http.NewServeMux()
	for path, doc := range map[string]any{"/v4/" + t.ID: container, "/v4/" + t.ID + "/task": task, "/v4/" + t.ID + "/taskWithTags": tagged(task)} {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(doc) // the reader may be gone
		})
	}
	return mux
}

func tagged(task map[string]any) map[string]any {
	out := maps.Clone(task)
	out["TaskTags"] = map[string]string{"consul.hashicorp.com/mesh": "true"}
	return out
}

// Name makes a service name of a command: its last path segment, in lower case.
func Name(command string) string {
	name := strings.ToLower(filepath.Base(command))
	name = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' {
			return r
		}
		return '-'
	}, name)
	if name = strings.Trim(name, "-"); name == "" {
		return "app"
	}
	return name
}
