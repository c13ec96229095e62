package reconcile

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/hashicorp/hcl"
)

// FuzzNames lets a tag say anything: a name that is served has rules that grant what
// one service needs, and nothing else; descriptions that only it can own; and names of
// policy and secret that Consul and AWS take as they are.
func FuzzNames(f *testing.F) {
	for _, seed := range [][3]string{
		{"web", "", ""}, {"web", "shop", "eu"}, {"a_b-9", "n", "p"}, {"WEB", "", ""}, {"web-sidecar-proxy", "", ""}, {"gossip-key", "", ""},
		{`x" { policy = "write" } service_prefix "`, "", ""}, {"web\" {}\nacl = \"write\" #", "", ""}, {"web", `n" { }`, "p"}, {"web", "n", `p" {`},
		{"${var.x}", "", ""}, {"web\n", "", ""}, {"web\x00", "", ""}, {"../../x", "", ""}, {"clé", "", ""}, {"\u212aube", "", ""},
		{"web service\nconsul.hashicorp.com/cluster: other", "", ""}, {strings.Repeat("a", 64), "", ""}, {strings.Repeat("a", 65), "", ""}, {`web\`, "", ""},
		{"consul", "client", "token"}, {"pay", "api-eu", "p"}, {"", "", ""},
		{strings.Repeat("a", 64), strings.Repeat("b", 64), "p"},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, name, namespace, partition string) {
		n := Naming{Prefix: "pre", Cluster: NewCluster(modelCluster), Partition: partition, Reserved: []string{"pre-consul-client-token", "pre-gossip-key", "pre-ca-cert", "pre-bootstrap-token"}}
		if !isPartition(partition) { // a flag, not a tag
			n.Partition = ""
		}
		tags := map[string]string{tagMesh: "true", tagService: name, tagPartition: partition, tagNamespace: namespace}
		s, skip := Classify(TaskInfo{ARN: "arn", Tags: tags}, n)
		if skip != "" {
			if s != (Service{}) {
				t.Errorf("skipped, and yet %v", s)
			}
			return
		}
		want := fmt.Sprintf("map[node_prefix:[map[:[map[policy:read]]]] service:[map[%[1]s:[map[policy:write]]] map[%[1]s-sidecar-proxy:[map[policy:write]]]] service_prefix:[map[:[map[policy:read]]]]]", s.Name)
		if n.Partition != "" {
			want = fmt.Sprintf("map[partition:[map[%s:[map[namespace:[map[%s:[%s]]]]]]]]", n.Partition, s.Namespace, want)
		}
		var rules map[string]any // as Consul reads them
		if err := hcl.Decode(&rules, n.serviceRules(s)); err != nil || fmt.Sprint(rules) != want {
			t.Fatalf("rules of %q: %v, %v, want %v", name, rules, err, want)
		}
		for _, what := range []string{"Token", "Policy"} {
			if o, ok := n.owner(what, n.description(what, s)); !ok || o != s {
				t.Errorf("the description of %v is for %v, %v", s, o, ok)
			}
		}
		for _, made := range []string{n.Policy(s), n.Secret(s)} {
			if strings.ContainsFunc(made, func(c rune) bool {
				return c > unicode.MaxASCII || !unicode.IsLower(c) && !unicode.IsDigit(c) && c != '-' && c != '_'
			}) || len(made) > 512 {
				t.Errorf("%v makes the name %q", s, made)
			}
		}
		if slices.Contains(n.Reserved, n.Secret(s)) || strings.HasSuffix(s.Name, "-sidecar-proxy") || len(n.Policy(s)) > 128 {
			t.Errorf("%v is served", s)
		}
	})
}

func isPartition(s string) bool {
	return s != "" && len(s) <= 64 && !strings.ContainsFunc(s, func(c rune) bool { return (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' })
}
