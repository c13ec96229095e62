package config

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"meshtask/internal/event"
	"meshtask/internal/spell"
)

// report collects findings and remembers what was given, and by what name.
type report struct {
	errors   []Finding
	warnings []Finding
	wrongs   int               // errors, those beyond reported too
	given    map[string]bool   // JSON paths
	alias    map[string]string // JSON path → the flag or variable that gave it
}

// Finding is one error or warning.
type Finding struct {
	Path string // JSON path, flag or variable: "proxy.upstreams[0].localBindPort", "--stop-timeout"
	Text string // without the path
}

// Errors is everything that is wrong with a configuration. It holds no secret.
type Errors struct {
	Source   string // name of the document; empty: there was none
	Findings []Finding
	More     int // that are not in Findings
}

func newReport() *report {
	return &report{given: map[string]bool{}, alias: map[string]string{}}
}

func (r *report) name(path string) string {
	if a, ok := r.alias[path]; ok {
		return a
	}
	return path
}

// reported is how many findings of a document are made: nobody reads more.
const reported = 100

// error adds an error.
func (r *report) error(path, format string, args ...any) {
	if r.wrongs++; r.wrongs > reported {
		return
	}
	r.errors = append(r.errors, Finding{r.name(path), fmt.Sprintf(format, args...)})
}

// warn adds a warning.
func (r *report) warn(path, format string, args ...any) {
	r.warnings = append(r.warnings, Finding{r.name(path), fmt.Sprintf(format, args...)})
}

// near is a hint for a mistyped word.
func near(got string, want []string) string {
	if w := spell.Nearest(got, want...); got != "" && w != "" {
		return ", did you mean " + w + "?"
	}
	return ""
}

// String is "path: text".
func (f Finding) String() string {
	if f.Path == "" {
		return f.Text
	}
	return f.Path + ": " + f.Text
}

// Error is one finding a line, under a head line that names the document.
func (e *Errors) Error() string {
	head := "bad configuration"
	if e.Source != "" {
		head += " in " + e.Source
	}
	if len(e.Findings) == 1 {
		return head + ": " + e.Findings[0].String()
	}
	lines := []string{head + ":"}
	for _, f := range e.Findings {
		lines = append(lines, "  "+f.String())
	}
	if e.More > 0 {
		lines = append(lines, fmt.Sprintf("  and %d more", e.More))
	}
	return strings.Join(lines, "\n")
}

// failed is what a bad configuration is answered with.
func (r *report) failed(c *Config) *Errors {
	return &Errors{Source: c.Source, Findings: r.errors, More: max(0, r.wrongs-len(r.errors))}
}

// because gives the errors their code: that of the field which explains the most.
func (e *Errors) because() error {
	for _, c := range []struct {
		prefix string
		code   event.Code
	}{
		{"consulAgent.retryJoin", event.ConfigRetryJoin},
		{"shutdown.", event.ConfigBudget},
		{"app.user", event.ConfigUser},
		{"app.ready.exec", event.ConfigProbe},
	} {
		for _, f := range e.Findings {
			if strings.HasPrefix(f.Path, c.prefix) {
				return event.Because(c.code, e, "path", f.Path)
			}
		}
	}
	return event.Because(event.ConfigBad, e)
}

// hint is what an unknown key was probably meant to be. It is not looked for
// when there are very many.
func (r *report) hint(key string, known map[string]reflect.Value) string {
	if len(r.errors)+len(r.warnings) >= reported || len(key) > maxName {
		return ""
	}
	switch key {
	case "networkResilienceConfig":
		return ": set passiveHealthCheck in the service-defaults config entry instead"
	case "healthCheckPort":
		return ": nothing listens there; ask `meshtask health` instead"
	}
	best := spell.Nearest(key, slices.Collect(maps.Keys(known))...)
	if best == "" {
		best = strings.Join(elsewhere(reflect.TypeFor[Config](), "", key), " or ")
	}
	if best == "" {
		return ""
	}
	return ", did you mean " + best + "?"
}

// elsewhere are the paths of fields of that name anywhere below t.
func elsewhere(t reflect.Type, path, key string) []string {
	var found []string
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous:
			found = append(found, elsewhere(f.Type, path, key)...)
		case name == "" || name == "-":
		case name == key:
			found = append(found, join(path, name))
		default:
			found = append(found, elsewhere(f.Type, join(path, name), key)...)
		}
	}
	return found
}
