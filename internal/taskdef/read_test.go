package taskdef

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"meshtask/internal/jsontree"
)

func TestScript(t *testing.T) {
	s := readScript("cp a b # copy\n\n" + `echo "$X # no comment" 'two  words' a\ b` + "\ncat <<EOF >/f.hcl\na = \"$B\"\n  EOF\ncat << 'E' > /g\n# g\nE\n" +
		"exec /bin/consul agent \\\n  -retry-join \"a\" \\\n  -hcl='x {\n y = 1 }' \\\n")
	want := [][]string{{"cp", "a", "b"}, {"echo", "$X # no comment", "two  words", "a b"}, {"exec", "/bin/consul", "agent", "-retry-join", "a", "-hcl=x {\n y = 1 }"}}
	if diff := cmp.Diff(want, s.commands); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]string{"/f.hcl": `a = "$B"`, "/g": "# g"}, s.files); diff != "" {
		t.Error(diff)
	}
	if args, ok := s.agentArgs(); !ok || strings.Join(args, "|") != "-retry-join|a|-hcl=x {\n y = 1 }" {
		t.Errorf("agent's arguments %q, %v", args, ok)
	}
}

func TestHCL(t *testing.T) {
	for in, want := range map[string]string{
		"a = 1\nb = \"x\\ty\"\nc = true":                     `{"a":1,"b":"x\ty","c":true}`,
		"a { b = -1.5 }\na { c = [\"x\", \"y\",] }":          `{"a":{"b":-1.5,"c":["x","y"]}}`,
		"sink \"stdout\" { type = \"file\" }":                `{"sink":{"stdout":{"type":"file"}}}`,
		"# c\n// d\n/* e\n f */ a = {x = 1, y = \"z\"} // g": `{"a":{"x":1,"y":"z"}}`,
		"telemetry { disable_compat_1.9 = true }":            `{"telemetry":{"disable_compat_1.9":true}}`,
		`"quoted key" = "v"`:                                 `{"quoted key":"v"}`,
		`{"json": {"is": ["hcl", 1, null]}}`:                 `{"json":{"is":["hcl",1,null]}}`,
		"":                                                   `{}`,
		"a = <<EOF\nb\n  c\nEOF\nd = <<-EOF\n  e\n  EOF\n":   `{"a":"b\n  c\n","d":"e\n"}`,
		"a = 0x1f\nb = 1e3":                                  `{"a":31,"b":1e3}`,
		"addresses = { dns = \"a\" }\naddresses = { grpc = \"b\" }\na=1\na=2": `{"addresses":{"dns":"a","grpc":"b"},"a":2}`,
	} {
		got, err := readHCL(in)
		if err != nil {
			t.Errorf("%q: %v", in, err)
		} else if jsontree.Compact(got) != want {
			t.Errorf("%q: got %s, want %s", in, jsontree.Compact(got), want)
		}
	}
	for in, want := range map[string]string{
		"a = b":          "1:5",
		"a = 1\nb {":     "2:5",
		"\n\n?":          "3:1: illegal char",
		"a = \"x\nb = 1": "literal not terminated",
		"word other":     "expected start of object",
		"a = [1":         "expected comma or list end",
		"}":              "1:1",
		"{":              "unexpected end of JSON input",
		"a = " + strings.Repeat("[", 65) + strings.Repeat("]", 65): "nested more than 64 levels deep",
	} {
		if _, err := readHCL(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", in, err, want)
		}
	}
}

// Whatever stands in a definition, the conversion ends, and what it makes is JSON.
func FuzzConvert(f *testing.F) {
	f.Add([]byte(`{"containerDefinitions":[{"name":"a","command":["b"]}]}`), "exec consul agent -hcl 'a = 1'\n")
	f.Fuzz(func(t *testing.T, doc []byte, text string) {
		if r, err := Convert(doc, Options{RetryJoin: []string{"a"}}); err == nil {
			if _, err := parse(r.New); err != nil {
				t.Errorf("%s: %v", r.New, err)
			}
		}
		s := readScript(text)
		for _, file := range s.files {
			_, _ = readHCL(file)
		}
		_, _ = readHCL(text)
	})
}

// What the old agent verified, the new one does.
func TestServerHostnameIsKept(t *testing.T) {
	for setting, want := range map[string]string{
		"verify_server_hostname = false":                         `\"verifyServerHostname\":false`,
		"tls { internal_rpc { verify_server_hostname = true } }": `\"verifyServerHostname\":true`,
	} {
		script, _ := json.Marshal("exec consul agent -retry-join 10.0.0.1 -hcl '" + setting + "'\n")
		in := `{"family":"web","networkMode":"awsvpc","containerDefinitions":[{"name":"web","image":"w","command":["/w"]},
			{"name":"consul-client","command":[` + string(script) + `],"secrets":[{"name":"CONSUL_CACERT","valueFrom":"arn:aws:secretsmanager:us-east-1:123456789012:secret:ca-AbCdEf"}]}]}`
		if r := convert(t, []byte(in), Options{Config: []byte(`{"service":{"port":80}}`)}); !strings.Contains(string(r.New), want) || strings.Contains(string(r.New), "extraConfig") {
			t.Errorf("%s: %s", setting, r.New)
		}
	}
}

// An agent that had a token, as a secret or in plain text, does not log in as well.
func TestAgentTokenOrLogin(t *testing.T) {
	for _, given := range []string{
		`"secrets":[{"name":"AGENT_TOKEN","valueFrom":"arn:aws:secretsmanager:us-east-1:123456789012:secret:a-AbCdEf:token::"}]`,
		`"environment":[{"name":"AGENT_TOKEN","value":"x"}]`,
	} {
		in := `{"family":"web","networkMode":"awsvpc","containerDefinitions":[{"name":"web","image":"w","command":["/w"]},
			{"name":"consul-client","command":["exec consul agent -retry-join 10.0.0.1\n"],` + given + `},{"name":"consul-ecs-mesh-init","environment":[{"name":"CONSUL_ECS_CONFIG_JSON",
			"value":"{\"service\":{\"port\":80},\"consulHTTPAddr\":\"https://c:8501\",\"consulLogin\":{\"enabled\":true}}"}]}]}`
		if r := convert(t, []byte(in), Options{}); strings.Contains(string(r.New), "agentMethod") || !strings.Contains(string(r.New), "AGENT_TOKEN") && !strings.Contains(string(r.New), "agentToken") {
			t.Errorf("%s: got %s", given, r.New)
		}
	}
}
