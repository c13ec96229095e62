package config

import (
	"reflect"
	"strings"
)

// hint is what an unknown key was probably meant to be.
func hint(key string, known map[string]reflect.Value) string {
	switch key {
	case "consulServers":
		return " (of consul-ecs v0.7 and later; give consulAgent.retryJoin instead)"
	case "transparentProxy":
		return " (of consul-ecs v0.8 and later; transparent proxying is not supported)"
	}
	best, least := "", 1+len(key)/3
	for name := range known {
		d := distance(strings.ToLower(key), strings.ToLower(name))
		if d < least || d == least && (best == "" || name < best) {
			best, least = name, d
		}
	}
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

// distance is the number of letters to insert, delete or replace.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
