package config

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	"meshtask/internal/spell"
)

// hint is what an unknown key was probably meant to be. It is not looked for
// when there are very many.
func (r *report) hint(key string, known map[string]reflect.Value) string {
	if len(r.errors)+len(r.warnings) >= reported || len(key) > maxName {
		return ""
	}
	switch key {
	case "consulServers":
		return " (of consul-ecs v0.7 and later; give consulAgent.retryJoin instead)"
	case "transparentProxy":
		return " (of consul-ecs v0.8 and later; transparent proxying is not supported)"
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
