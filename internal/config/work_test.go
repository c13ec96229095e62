package config

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// A million entries take as many steps, not their square: that would take hours.
func TestTheChecksAreLinear(t *testing.T) {
	const n = 1_000_000
	names, list := make([]string, n), make([]listener, n)
	for i := range n {
		names[i] = fmt.Sprint("tag", i)
		list[i] = listener{"x", names[i], 80}
	}
	v := checker{newReport(), preset()}
	v.distinct("service.tags", append(names, "tag7"))
	v.collisions(append(list, listener{"y", "tag7", 80}, listener{"z", "", 80}))
	told(t, lines(v.errors), `service.tags[1000000]: "tag7" is given twice`, "y: 80 is also the port of x", "z: 80 is also the port of x")
}

// Four times the document is about four times the work, whatever is wrong with it.
func TestTheWorkOfADocumentIsLinear(t *testing.T) {
	many := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i)
		}
		return strings.TrimSuffix(b.String(), ",")
	}
	long := strings.Repeat("k", 1000)
	for name, doc := range map[string]func(n int) string{
		"tags":         func(n int) string { return `{"service":{"tags":[` + many(n, `"t%d",`) + `]}}` },
		"unknown keys": func(n int) string { return "{" + many(n, `"k%d":1,`) + "}" },
		"wrong items":  func(n int) string { return `{"service":{"tags":[` + many(n, `%d,`) + `]}}` },
		"headers": func(n int) string {
			return `{"service":{"checks":[{"header":{"` + long + `":[` + many(n, `"%d",`) + `]}}]}}`
		},
		"environment": func(n int) string { return `{"app":{"env":{` + many(n, `"E%d":"x",`) + `}}}` },
		"upstreams": func(n int) string {
			return `{"proxy":{"upstreams":[` + many(n/10, `{"localBindPort":1,"destinationName":"%d"},`) + `]}}`
		},
		"extra": func(n int) string {
			return `{"consulAgent":{"extraConfig":` + strings.Repeat(`{"`+long+`":`, 40) + "{" + many(n, `"e%d":1,`) + "}" + strings.Repeat("}", 40) + "}}"
		},
	} {
		work := func(n int) uint64 {
			s := Sources{File: []byte(doc(n)), AgentKeys: []string{"node_name", "ports.http"}}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, _, err := Load(s)
			runtime.ReadMemStats(&after)
			if len(findings(t, err)) > reported {
				t.Errorf("%s: %d findings", name, len(findings(t, err)))
			}
			return after.TotalAlloc - before.TotalAlloc
		}
		small, large := work(10_000), work(40_000)
		if large > 8*small {
			t.Errorf("%s: %d bytes, and of four times the document %d", name, small, large)
		}
	}
}

func TestDocumentsAreBounded(t *testing.T) {
	_, _, err := Load(Sources{Name: "f.json", File: make([]byte, MaxDocument+1)})
	told(t, findings(t, err), "the document has more than 1048576 bytes")
	_, _, err = Load(Sources{File: []byte("{" + strings.TrimSuffix(strings.Repeat(`"k":1,`, 1), ",") + `,"a":1,` + strings.Repeat(`"service":1,`, 150) + `"b":1}`)})
	if e, ok := errors.AsType[*Errors](err); !ok || len(e.Findings) != reported || e.More == 0 || !strings.HasSuffix(e.Error(), fmt.Sprintf("\n  and %d more", e.More)) {
		t.Errorf("%d findings, %d more: %v", len(e.Findings), e.More, e)
	}
}
