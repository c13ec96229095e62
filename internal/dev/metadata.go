package dev

import (
	"encoding/json"
	"maps"
	"net/http"
	"runtime"
	"time"
)

// Metadata serves the task metadata endpoint, version 4, of one task with one
// container: below /v4/ID the paths "", /task, /taskWithTags, /stats and
// /task/stats. The statistics have Docker's shape; their counters are 0.
func Metadata(t Task) http.Handler {
	began := time.Now().UTC().Format(time.RFC3339Nano)
	arn := "arn:aws:ecs:local:000000000000:"
	id := t.ID + "-1"
	container := map[string]any{
		"DockerId": id, "Name": t.Service, "DockerName": t.Service, "Type": "NORMAL", "DesiredStatus": "RUNNING", "KnownStatus": "RUNNING",
		"Limits": map[string]any{"CPU": 0}, "CreatedAt": began, "StartedAt": began, "ContainerARN": arn + "container/dev/" + t.ID + "/1",
		"Labels": map[string]string{
			"com.amazonaws.ecs.cluster": arn + "cluster/dev", "com.amazonaws.ecs.container-name": t.Service, "com.amazonaws.ecs.task-arn": arn + "task/dev/" + t.ID,
			"com.amazonaws.ecs.task-definition-family": t.Service, "com.amazonaws.ecs.task-definition-version": "1",
		},
		"Networks": []any{map[string]any{"NetworkMode": "awsvpc", "IPv4Addresses": []string{t.Address}}},
	}
	task := map[string]any{
		"Cluster": arn + "cluster/dev", "TaskARN": arn + "task/dev/" + t.ID, "Family": t.Service, "Revision": "1",
		"DesiredStatus": "RUNNING", "KnownStatus": "RUNNING", "LaunchType": "EXTERNAL", "Containers": []any{container},
	}
	tagged := maps.Clone(task)
	tagged["TaskTags"] = map[string]string{"consul.hashicorp.com/mesh": "true", "consul.hashicorp.com/service-name": t.Service}
	mux := http.NewServeMux()
	for path, doc := range map[string]func() any{
		"":              func() any { return container },
		"/task":         func() any { return task },
		"/taskWithTags": func() any { return tagged },
		"/stats":        func() any { return stats(id, t.Service) },
		"/task/stats":   func() any { return map[string]any{id: stats(id, t.Service)} },
	} {
		mux.HandleFunc("GET /v4/"+t.ID+path, func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, doc()) })
	}
	// As the ECS agent does: a bare JSON string.
	mux.HandleFunc("/v4/", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusNotFound, "V4 metadata handler: unable to find the task or the path")
	})
	return mux
}

func answer(w http.ResponseWriter, status int, doc any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(doc) // the reader may be gone
}

func stats(id, name string) map[string]any {
	cpu := map[string]any{
		"cpu_usage":        map[string]any{"total_usage": 0, "usage_in_kernelmode": 0, "usage_in_usermode": 0},
		"system_cpu_usage": 0, "online_cpus": runtime.NumCPU(),
		"throttling_data": map[string]any{"periods": 0, "throttled_periods": 0, "throttled_time": 0},
	}
	return map[string]any{
		"read": time.Now().UTC().Format(time.RFC3339Nano), "preread": "0001-01-01T00:00:00Z", "id": id, "name": "/" + name, "num_procs": 0,
		"pids_stats": map[string]any{}, "blkio_stats": map[string]any{}, "storage_stats": map[string]any{}, "networks": map[string]any{},
		"cpu_stats": cpu, "precpu_stats": cpu, "memory_stats": map[string]any{"usage": 0, "max_usage": 0, "limit": 0, "stats": map[string]any{}},
	}
}
