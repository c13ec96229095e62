package reconcile

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode"
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
		var want []block
		for _, grant := range [][2]string{{"service", s.Name}, {"service", s.Name + "-sidecar-proxy"}} {
			want = append(want, block{kind: grant[0], label: grant[1], policy: "write"})
		}
		want = append(want, block{kind: "service_prefix", policy: "read"}, block{kind: "node_prefix", policy: "read"})
		if n.Partition != "" {
			want = []block{{kind: "partition", label: n.Partition, in: []block{{kind: "namespace", label: s.Namespace, in: want}}}}
		}
		rules, err := parseRules(n.serviceRules(s))
		if err != nil || fmt.Sprint(rules) != fmt.Sprint(want) {
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

// block is KIND "LABEL" { … } of a policy's rules.
type block struct {
	kind, label, policy string
	in                  []block
}

// parseRules reads rules strictly, as HCL does what of it we write: an identifier, a
// string without escapes or interpolation, braces, and policy = "…".
func parseRules(text string) ([]block, error) {
	p := rulesParser{rest: text}
	blocks, err := p.blocks(0)
	if err == nil && p.next() != "" {
		err = fmt.Errorf("more behind the end: %q", p.rest)
	}
	return blocks, err
}

type rulesParser struct{ rest string }

// next takes one token; strings keep their quotes.
func (p *rulesParser) next() string {
	p.rest = strings.TrimLeft(p.rest, " \t\r\n")
	n := strings.IndexFunc(p.rest, func(c rune) bool { return !unicode.IsLetter(c) && c != '_' })
	switch {
	case p.rest == "":
		return ""
	case p.rest[0] == '"':
		n = strings.IndexByte(p.rest[1:], '"') + 2
		if n < 2 {
			n = len(p.rest)
		}
	case n == 0:
		n = 1
	case n < 0:
		n = len(p.rest)
	}
	token := p.rest[:n]
	p.rest = p.rest[n:]
	return token
}

func (p *rulesParser) text() (string, error) {
	token := p.next()
	inner, ok := strings.CutPrefix(token, `"`)
	inner, closed := strings.CutSuffix(inner, `"`)
	if !ok || !closed || strings.ContainsAny(inner, "\\\n\"") || strings.Contains(inner, "${") {
		return "", fmt.Errorf("not a plain string: %s", token)
	}
	return inner, nil
}

func (p *rulesParser) blocks(depth int) (out []block, err error) {
	for {
		before := p.rest
		kind := p.next()
		if kind == "" || kind == "}" {
			if kind == "}" {
				p.rest = before
			}
			return out, nil
		}
		if depth > 3 || !unicode.IsLetter(rune(kind[0])) {
			return nil, fmt.Errorf("at %q", kind)
		}
		b := block{kind: kind}
		if b.label, err = p.text(); err != nil {
			return nil, err
		}
		if open := p.next(); open != "{" {
			return nil, fmt.Errorf("%s %q is followed by %q", b.kind, b.label, open)
		}
		if word, eq := p.peek(); word == "policy" && eq == "=" {
			p.next()
			p.next()
			b.policy, err = p.text()
		} else {
			b.in, err = p.blocks(depth + 1)
		}
		if err != nil {
			return nil, err
		}
		if end := p.next(); end != "}" {
			return nil, fmt.Errorf("%s %q ends in %q", b.kind, b.label, end)
		}
		out = append(out, b)
	}
}

func (p *rulesParser) peek() (string, string) {
	q := *p
	return q.next(), q.next()
}
