package settings

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"meshtask/acl"
	"meshtask/acl/reconcile"
)

func TestRead(t *testing.T) {
	variables := map[string]string{"CONSUL_HTTP_ADDR": "https://c:8501", "CONSUL_HTTP_TOKEN": "t", "AWS_REGION": "us-east-1"}
	s, err := Read(map[string]string{"cluster": "c", "secret-name-prefix": "p", "reserved": "a, b", "interval": "5s", "deletion-grace": "0s",
		"rotate-after": "0s", "dry-run": "true", "agentless": AgentlessAlso, "partitions-enabled": "true", "log-format": "json"},
		func(name string) string { return variables[name] })
	if err != nil {
		t.Fatal(err)
	}
	want := acl.Config{Cluster: "c", SecretPrefix: "p", Reserved: []string{"a", "b"}, Interval: 5 * time.Second, DeletionGrace: -1,
		Once: true, DryRun: true, Mode: reconcile.Mixed, Partition: "default"}
	if diff := cmp.Diff(want, s.ACL); diff != "" {
		t.Error(diff)
	}
	if s.Consul != (acl.Server{Address: "https://c:8501", Token: "t"}) || s.Region != "us-east-1" || s.LogLevel != "info" || s.LogFormat != "json" {
		t.Errorf("%+v", s)
	}
}

// Everything wrong is said at once, by the flag's name.
func TestReadRefuses(t *testing.T) {
	flags := map[string]string{"interval": "0s", "audit-interval": "-1s", "rotate-after": "soon", "iam-role-path": "", "agentless": "none",
		"partition": "eu", "log-level": "loud", "log-format": "xml"}
	_, err := Read(flags, func(string) string { return "" })
	if err == nil {
		t.Fatal("nothing was refused")
	}
	lines := strings.Split(err.Error(), "\n")
	for name := range flags {
		n := 0
		for _, line := range lines {
			if strings.HasPrefix(line, "--"+name+": ") {
				n++
			}
		}
		if n != 1 {
			t.Errorf("--%s is refused %d times:\n%v", name, n, err)
		}
	}
	if len(lines) != len(flags) {
		t.Errorf("%d lines for %d flags:\n%v", len(lines), len(flags), err)
	}
}
