package taskdef

import (
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// A file that no task definition can be is refused before work is put into it.
func TestInputIsBounded(t *testing.T) {
	app := `{"name":"web","image":"web:1","command":["/web"],"portMappings":[{"containerPort":80}]}`
	join := Options{RetryJoin: []string{"10.0.0.1"}}
	for name, c := range map[string]struct {
		in   string
		opt  Options
		want string
	}{
		"deep":       {`{"containerDefinitions":[` + app + `],"x":` + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + "}", join, "nested more than 64 levels deep"},
		"long":       {`{"containerDefinitions":[` + app + `]` + strings.Repeat(" ", MaxInput) + "}", join, "more than 262144 bytes, and ECS takes 65536"},
		"containers": {`{"containerDefinitions":[` + strings.Repeat(app+",", 10) + app + `]}`, join, "11 containers, and ECS takes 10"},
		"twice":      {`{"containerDefinitions":[` + app + `],"family":"a","family":"b"}`, join, "family: given twice"},
		"own config": {`{"containerDefinitions":[` + app + `]}`, Options{Config: make([]byte, 2<<20)}, "--config: more than 1048576 bytes"},
	} {
		if _, err := Convert([]byte(c.in), c.opt); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
}

// Four times the definition is about four times the work, wherever it grows.
func TestTheWorkIsLinear(t *testing.T) {
	many := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i)
		}
		return strings.TrimSuffix(b.String(), ",")
	}
	quoted := func(s string) string { text, _ := json.Marshal(s); return string(text) }
	def := func(app, containers string) string {
		return `{"family":"web","networkMode":"awsvpc","containerDefinitions":[{"name":"web","image":"web:1","command":["/web"]` + app + "}" + containers + "]}"
	}
	legacy := func(doc string) string {
		return def("", `,{"name":"mesh-init","command":["mesh-init"],"environment":[{"name":"CONSUL_ECS_CONFIG_JSON","value":`+quoted(doc)+`}]}`)
	}
	agent := func(script string) string {
		return def(`,"portMappings":[{"containerPort":80}]`, `,{"name":"consul-client","command":[`+quoted(script)+`]}`)
	}
	for name, in := range map[string]func(n int) string{
		"unknown keys": func(n int) string { return legacy(`{"service":{"port":80,` + many(n, `"k%d":{},`) + `}}`) },
		"empty stanzas": func(n int) string {
			return legacy(`{"service":{"port":80},"proxy":{"config":{` + many(n, `"k%d":{},`) + `}}}`)
		},
		"port mappings": func(n int) string {
			return def(`,"portMappings":[{"containerPort":80}]`, `,{"name":"sidecar-proxy","portMappings":[`+many(n, `{"containerPort":%d},`)+"]}")
		},
		"environment": func(n int) string {
			return def(`,"portMappings":[{"containerPort":80}],"environment":[`+many(n, `{"name":"E%d","value":"v"},`)+"]", "")
		},
		"dependencies": func(n int) string {
			return def(`,"portMappings":[{"containerPort":80}],"dependsOn":[`+many(n, `{"containerName":"c%d"},`)+"]", "")
		},
		"an open quote":   func(n int) string { return agent("exec consul agent -hcl '\n" + many(n, "k%d = 1\n")) },
		"continued lines": func(n int) string { return agent("exec consul agent \\\n" + many(n, "-x%d \\\n")) },
		"settings": func(n int) string {
			return agent("exec consul agent -retry-join a -hcl '" + many(n, "k%d = 1\n") + "'\n")
		},
	} {
		work := func(n int) uint64 {
			doc := []byte(in(n))
			if len(doc) > MaxInput {
				t.Fatalf("%s: %d bytes", name, len(doc))
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			if _, err := Convert(doc, Options{RetryJoin: []string{"10.0.0.1"}, Config: []byte(`{"service":{"port":80}}`)}); err != nil {
				t.Fatalf("%s: %.200s", name, err)
			}
			runtime.ReadMemStats(&after)
			return after.TotalAlloc - before.TotalAlloc
		}
		if small, large := work(500), work(2000); large > 8*small {
			t.Errorf("%s: %d bytes, and of four times the definition %d", name, small, large)
		}
	}
}
