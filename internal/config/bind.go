package config

import (
	"fmt"
	"maps"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"meshtask/internal/secret"
)

// binder puts a document into structs by their json tags and collects what
// does not fit. Absent and null members leave the default that stands there.
type binder struct {
	*report
	open map[string]bool // paths whose unknown keys are only a warning
}

// report collects findings and remembers what was given, and by what name.
type report struct {
	errors   []Finding
	warnings []Finding
	given    map[string]bool   // JSON paths
	alias    map[string]string // JSON path → the flag or variable that gave it
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

// wrong adds an error.
func (r *report) wrong(path, format string, args ...any) {
	r.errors = append(r.errors, Finding{r.name(path), fmt.Sprintf(format, args...)})
}

// odd adds a warning.
func (r *report) odd(path, format string, args ...any) {
	r.warnings = append(r.warnings, Finding{r.name(path), fmt.Sprintf(format, args...)})
}

// is checks the kind of n.
func (b *binder) is(n *node, want kind, path string) bool {
	if n.kind != want {
		b.wrong(path, "must be %s, got %s", want, n.kind)
	}
	return n.kind == want
}

// bind puts n, which is not null, into v.
func (b *binder) bind(n *node, v reflect.Value, path string) {
	b.given[path] = true
	if b.special(n, v, path) {
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		b.bind(n, v.Elem(), path)
	case reflect.Struct:
		if b.is(n, object, path) {
			b.members(n, v, path)
		}
	case reflect.Slice:
		b.items(n, v, path)
	case reflect.Map:
		b.entries(n, v, path)
	case reflect.String:
		if b.is(n, text, path) {
			v.SetString(n.text)
		}
	case reflect.Bool:
		if b.is(n, boolean, path) {
			v.SetBool(n.yes)
		}
	case reflect.Int:
		if b.is(n, number, path) {
			b.integer(n, v, path)
		}
	}
}

// special binds the types that have a form of their own.
func (b *binder) special(n *node, v reflect.Value, path string) bool {
	switch p := v.Addr().Interface().(type) {
	case *Duration:
		if b.is(n, text, path) {
			b.duration(n.text, p, path)
		}
	case *Signal:
		if b.is(n, text, path) {
			b.signal(n.text, p, path)
		}
	case *secret.Ref:
		if b.is(n, text, path) {
			b.reference(n.text, p, path)
		}
	case *EnvValue:
		b.variable(n, p, path)
	case *Ready:
		if n.kind == text && n.text == "started" {
			p.Started = true
		} else if n.kind != object {
			b.wrong(path, `must be an object or "started"`)
		} else {
			return false
		}
	case *map[string]any:
		if b.is(n, object, path) {
			*p, _ = n.plain().(map[string]any)
		}
	default:
		return false
	}
	return true
}

func (b *binder) integer(n *node, v reflect.Value, path string) {
	i, err := strconv.ParseInt(n.text, 10, 64)
	if err != nil {
		f, ferr := strconv.ParseFloat(n.text, 64)
		if ferr != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
			b.wrong(path, "must be a whole number, got %s", n.text)
			return
		}
		i = int64(f)
	}
	v.SetInt(i)
}

func (r *report) duration(s string, p *Duration, path string) {
	d, err := time.ParseDuration(s)
	switch {
	case err != nil:
		r.wrong(path, `must be a duration such as "1.5s" or "2m", got %q`, s)
	case d < 0:
		r.wrong(path, "must not be negative, got %s", s)
	default:
		*p = Duration{Duration: d, Given: true}
	}
}

func (r *report) signal(s string, p *Signal, path string) {
	sig, ok := parseSignal(s)
	if !ok {
		r.wrong(path, "unknown signal %q: %s", s, signalForms)
		return
	}
	*p = sig
}

func (r *report) reference(s string, p *secret.Ref, path string) {
	ref, err := secret.Parse(s)
	if err != nil {
		r.wrong(path, "%v", err)
		return
	}
	*p = ref
}

// variable takes a string, or {"value": string} for a literal that looks like
// a reference.
func (b *binder) variable(n *node, p *EnvValue, path string) {
	switch {
	case n.kind == text && secret.Is(n.text):
		b.reference(n.text, &p.From, path)
	case n.kind == text:
		p.Value = n.text
	case n.kind != object:
		b.wrong(path, `must be a string, a reference, or {"value": "…"}, got %s`, n.kind)
	default:
		var l literal
		b.members(n, reflect.ValueOf(&l).Elem(), path)
		p.Value = l.Value
	}
}

type literal struct {
	Value string `json:"value"`
}

// items binds an array; its items cannot be null.
func (b *binder) items(n *node, v reflect.Value, path string) {
	if !b.is(n, array, path) {
		return
	}
	list := reflect.MakeSlice(v.Type(), len(n.items), len(n.items))
	for i, item := range n.items {
		at := index(path, i)
		if item.kind == null {
			b.wrong(at, "must not be null")
			continue
		}
		b.bind(item, list.Index(i), at)
	}
	v.Set(list)
}

// entries binds an object into a map; null entries are absent.
func (b *binder) entries(n *node, v reflect.Value, path string) {
	if !b.is(n, object, path) {
		return
	}
	v.Set(reflect.MakeMapWithSize(v.Type(), len(n.keys)))
	for _, key := range n.keys {
		if n.fields[key].kind == null {
			continue
		}
		entry := reflect.New(v.Type().Elem()).Elem()
		b.bind(n.fields[key], entry, join(path, key))
		v.SetMapIndex(reflect.ValueOf(key), entry)
	}
}

// members binds an object into a struct.
func (b *binder) members(n *node, v reflect.Value, path string) {
	into := members(v)
	for _, key := range n.keys {
		at, member := join(path, key), n.fields[key]
		field, known := into[key]
		switch {
		case known && member.kind != null:
			b.bind(member, field, at)
		case known:
		case b.open[path]:
			b.odd(at, "unknown key, ignored as consul-ecs did%s", hint(key, into))
		default:
			b.wrong(at, "unknown key%s", hint(key, into))
		}
	}
}

// members are the fields of a struct, and of those that it embeds, by name.
func members(v reflect.Value) map[string]reflect.Value {
	m := map[string]reflect.Value{}
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous:
			maps.Copy(m, members(reflect.Indirect(v.Field(i))))
		case name != "" && name != "-":
			m[name] = v.Field(i)
		}
	}
	return m
}
