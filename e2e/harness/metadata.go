package harness

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
)

// Metadata serves a task metadata endpoint (v4) for a task of one container and
// returns the value for ECS_CONTAINER_METADATA_URI_V4.
func Metadata(t T, family, id, address string) string {
	t.Helper()
	container := map[string]any{
		"DockerId": id + "-1", "Name": "main", "Type": "NORMAL", "DesiredStatus": "RUNNING", "KnownStatus": "RUNNING",
		"Networks": []any{map[string]any{"NetworkMode": "awsvpc", "IPv4Addresses": []string{address}}},
	}
	task := map[string]any{
		"Cluster": "local", "TaskARN": "arn:aws:ecs:us-east-1:123456789012:task/local/" + id,
		"Family": family, "Revision": "1", "LaunchType": "FARGATE", "AvailabilityZone": "us-east-1a", "DesiredStatus": "RUNNING", "KnownStatus": "RUNNING",
		"Containers": []any{container},
	}
	answer := func(doc any) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(doc) // the reader notices
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/v4/main", answer(container))
	mux.HandleFunc("/v4/main/task", answer(task))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL + "/v4/main"
}
