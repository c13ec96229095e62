package reconcile

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"meshtask/internal/secret"
)

const modelCluster = "arn:aws:ecs:us-east-1:123456789012:cluster/prod"

// TestNames holds names, descriptions and rules to consul-ecs's letters.
func TestNames(t *testing.T) {
	open := Naming{Prefix: "pre", Cluster: NewCluster("dev")}
	ent := Naming{Prefix: "pre", Cluster: NewCluster(modelCluster), Partition: "p1"}
	s, es := Service{Name: "web"}, Service{Name: "web", Namespace: "n1", Partition: "p1"}
	got := map[string]string{
		"secret": open.Secret(s), "policy": open.Policy(s), "client policy": open.ClientPolicy(),
		"token": open.description("Token", s), "policy text": open.description("Policy", s),
		"links": strings.Join(open.links(s), " "), "content": string(Creds{"a", "b"}.JSON()),
		"secret, ent": ent.Secret(es), "policy, ent": ent.Policy(es), "token, ent": ent.description("Token", es),
		"links, ent": strings.Join(ent.links(es), " "),
	}
	want := map[string]string{
		"secret": "pre-web", "policy": "web-service", "client policy": "pre-consul-client-policy",
		"token":       "Token for web service\nconsul.hashicorp.com/cluster: dev",
		"policy text": "Policy for web service\nconsul.hashicorp.com/cluster: dev",
		"links":       "web-service", "content": `{"accessor_id":"a","token":"b"}`,
		"secret, ent": "pre-web-n1-p1", "policy, ent": "web-n1-service",
		"token, ent": "Token for web service\nconsul.hashicorp.com/cluster: " + modelCluster + "\nconsul.hashicorp.com/partition: p1\nconsul.hashicorp.com/namespace: n1",
		"links, ent": "web-n1-service cross-namespace-read",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	rules := map[string]string{
		"client": open.clientRules(), "service": open.serviceRules(s),
		"client, ent": ent.clientRules(), "service, ent": ent.serviceRules(es), "across": ent.crossNamespaceRules(),
	}
	wantRules := map[string]string{
		"client":       `node_prefix "" { policy = "write" } service_prefix "" { policy = "read" }`,
		"service":      `service "web" { policy = "write" } service "web-sidecar-proxy" { policy = "write" } service_prefix "" { policy = "read" } node_prefix "" { policy = "read" }`,
		"client, ent":  `partition "p1" { node_prefix "" { policy = "write" } namespace_prefix "" { service_prefix "" { policy = "read" } } }`,
		"service, ent": `partition "p1" { namespace "n1" { service "web" { policy = "write" } service "web-sidecar-proxy" { policy = "write" } service_prefix "" { policy = "read" } node_prefix "" { policy = "read" } } }`,
		"across":       `partition "p1" { namespace_prefix "" { service_prefix "" { policy = "read" } node_prefix "" { policy = "read" } } }`,
	}
	for k, w := range wantRules {
		if !sameRules(rules[k], w) {
			t.Errorf("%s rules:\n%s\nwant\n%s", k, rules[k], w)
		}
	}
}

func TestOwner(t *testing.T) {
	const arn = "arn:aws:ecs:us-east-1:123456789012:cluster/dev"
	byName := Naming{Cluster: NewCluster("dev")}
	learned := Naming{Cluster: NewCluster("dev").Learn("arn:aws:ecs:us-east-1:123456789012:task/dev/0a1b")}
	byARN := Naming{Cluster: NewCluster(arn)}
	ent := Naming{Cluster: NewCluster("dev"), Partition: "p"}
	const head = "Token for web service\nconsul.hashicorp.com/cluster: "
	const tail = "\nconsul.hashicorp.com/partition: p\nconsul.hashicorp.com/namespace: n"
	for _, tt := range []struct {
		name string
		n    Naming
		text string
		want bool
	}{
		{"name", byName, head + "dev", true},
		{"ARN, by ARN", byARN, head + arn, true},
		{"name, by ARN", byARN, head + "dev", true},
		{"ARN, by name, not known yet", byName, head + arn, false},
		{"ARN, by name, learned from a task", learned, head + arn, true},
		{"another Region's", learned, head + strings.Replace(arn, "us-east-1", "eu-west-1", 1), false},
		{"dev-2", byName, head + "dev-2", false},
		{"dev-2 by ARN", byARN, head + arn + "-2", false},
		{"de", byName, head + "de", false},
		{"no cluster", byName, head, false},
		{"one more line", byName, head + "dev\n", false},
		{"blank behind", byName, head + "dev ", false},
		{"with partitions on", byName, head + "dev" + tail, false},
		{"with partitions off", ent, head + "dev", false},
		{"partition", ent, head + "dev" + tail, true},
		{"another partition", ent, head + "dev" + strings.Replace(tail, "partition: p", "partition: q", 1), false},
		{"no namespace", ent, head + "dev" + strings.TrimSuffix(tail, "n"), false},
		{"a policy", byName, "Policy for web service\nconsul.hashicorp.com/cluster: dev", false},
		{"no service", byName, "Token for  service\nconsul.hashicorp.com/cluster: dev", false},
		{"login token", byName, `token created via login: {"consul.hashicorp.com/cluster":"dev"}`, false},
		{"empty", byName, "", false},
	} {
		s, ok := tt.n.owner("Token", tt.text)
		if ok != tt.want || ok && s.Name != "web" {
			t.Errorf("%s: owner says %v, %v", tt.name, s, ok)
		}
	}
}

func TestClassify(t *testing.T) {
	const def = "arn:aws:ecs:us-east-1:1:task-definition/fam:7"
	reserved := []string{"pre-consul-client-token", "pre-gossip-key", "pre-ca-cert", "pre-bootstrap-token", "PRE-agents"}
	open, ent := Naming{Prefix: "pre", Reserved: reserved}, Naming{Prefix: "pre", Partition: "p", Reserved: reserved}
	tags := func(kv ...string) map[string]string {
		m := map[string]string{tagMesh: "true"}
		for i := 0; i < len(kv); i += 2 {
			m[kv[i]] = kv[i+1]
		}
		return m
	}
	for _, tt := range []struct {
		name string
		n    Naming
		info TaskInfo
		want Service
		skip string
	}{
		{"by tag", open, TaskInfo{Definition: def, Tags: tags(tagService, "web")}, Service{Name: "web"}, ""},
		{"by family", open, TaskInfo{Definition: def, Tags: tags()}, Service{Name: "fam"}, ""},
		{"no tags", open, TaskInfo{Definition: def}, Service{}, "propagate"},
		{"mesh False", open, TaskInfo{Definition: def, Tags: tags(tagMesh, "True")}, Service{}, "propagate"},
		{"bad ARN", open, TaskInfo{Definition: "fam", Tags: tags()}, Service{}, "no family"},
		{"ARN without revision", open, TaskInfo{Definition: "arn:aws:ecs:us-east-1:1:task-definition/fam", Tags: tags()}, Service{}, "no family"},
		{"quotes", open, TaskInfo{Tags: tags(tagService, `x" { policy = "write" }`)}, Service{}, "must have 1–64"},
		{"client secret", open, TaskInfo{Tags: tags(tagService, "agents")}, Service{}, "is the installation's own"},
		{"client secret by its usual name", open, TaskInfo{Tags: tags(tagService, "consul-client-token")}, Service{}, "is the installation's own"},
		{"gossip key", open, TaskInfo{Tags: tags(tagService, "gossip-key")}, Service{}, "is the installation's own"},
		{"CA", open, TaskInfo{Tags: tags(tagService, "ca-cert")}, Service{}, "is the installation's own"},
		{"bootstrap token", open, TaskInfo{Tags: tags(tagService, "bootstrap-token")}, Service{}, "is the installation's own"},
		{"bootstrap token by the family", open, TaskInfo{Definition: "arn:aws:ecs:us-east-1:1:task-definition/Bootstrap-Token:1", Tags: tags()}, Service{}, "is the installation's own"},
		{"client secret by three parts", Naming{Prefix: "pre", Partition: "token", Reserved: reserved},
			TaskInfo{Tags: tags(tagService, "consul", tagPartition, "token", tagNamespace, "client")}, Service{}, "is the installation's own"},
		{"capitals", open, TaskInfo{Tags: tags(tagService, "WEB")}, Service{}, "has capital letters"},
		{"family with capitals", open, TaskInfo{Definition: "arn:aws:ecs:us-east-1:1:task-definition/CMS-Prod:7", Tags: tags()}, Service{Name: "cms-prod"}, ""},
		{"a proxy's", open, TaskInfo{Tags: tags(tagService, "web-sidecar-proxy")}, Service{}, "ends in"},
		{"namespace with capitals", ent, TaskInfo{Tags: tags(tagService, "web", tagPartition, "p", tagNamespace, "N")}, Service{}, "has capital letters"},
		{"both tags", ent, TaskInfo{Tags: tags(tagService, "web", tagPartition, "p", tagNamespace, "n")}, Service{"web", "n", "p"}, ""},
		{"neither", ent, TaskInfo{Tags: tags(tagService, "web")}, Service{}, `partition "default" is not ours`},
		{"partition alone", ent, TaskInfo{Tags: tags(tagService, "web", tagPartition, "p")}, Service{}, "both or neither"},
		{"namespace alone", ent, TaskInfo{Tags: tags(tagService, "web", tagNamespace, "n")}, Service{}, "both or neither"},
		{"tags without partitions", open, TaskInfo{Tags: tags(tagService, "web", tagPartition, "p")}, Service{Name: "web"}, ""},
	} {
		got, skip := Classify(tt.info, tt.n)
		if got != tt.want || (skip == "") != (tt.skip == "") || !strings.Contains(skip, tt.skip) {
			t.Errorf("%s: %v, skip %q", tt.name, got, skip)
		}
	}
}

func TestParseSecret(t *testing.T) {
	const a, b = "11111111-1111-4111-8111-11111111111a", "22222222-2222-4222-8222-222222222222"
	for _, tt := range []struct {
		content string
		creds   Creds
		extra   bool
		bad     string
	}{
		{"", Creds{}, false, ""},
		{"{}", Creds{}, false, ""},
		{`{"accessor_id":null,"token":""}`, Creds{}, false, ""},
		{`{"accessor_id":"` + a + `"}`, Creds{}, false, ""},
		{`{"accessor_id":"` + strings.ToUpper(a) + `","token":"` + b + `"}`, Creds{a, b}, false, ""},
		{`{"accessor_id":"` + a + `","token":"` + b + `","note":1}`, Creds{a, b}, true, ""},
		{`{"password":"x"}`, Creds{}, true, ""},
		{`{"accessor_id":7,"token":"x"}`, Creds{}, false, "strings"},
		{`{"accessor_id":"x","token":"y"}`, Creds{}, false, "UUIDs"},
		{`hunter2`, Creds{}, false, "not a JSON object"},
		{`null`, Creds{}, false, "not a JSON object"},
		{`["x"]`, Creds{}, false, "not a JSON object"},
	} {
		got := ParseSecret("n", "v", secret.String(tt.content))
		if got.Creds != tt.creds || got.Extra != tt.extra || (got.Bad == "") != (tt.bad == "") || !strings.Contains(got.Bad, tt.bad) {
			t.Errorf("%s: %+v", tt.content, got)
		}
	}
}
