package config

import (
	"encoding/json"
	"maps"
	"math"
	"reflect"
	"strconv"
	"strings"

	"meshtask/internal/jsontree"
	"meshtask/internal/secret"
)

// binder puts a document into structs by their json tags and collects what
// does not fit. Absent and null members leave the default that stands there.
type binder struct {
	*report
	open map[string]bool // paths whose unknown keys are only a warning
}

// as is a value of the kind that a field has.
func as[T any](b *binder, n any, path string) (T, bool) {
	v, ok := n.(T)
	if !ok {
		b.error(path, "must be %s, got %s", jsontree.Kind(v), jsontree.Kind(n))
	}
	return v, ok
}

// bind puts n, which is not null, into v.
func (b *binder) bind(n any, v reflect.Value, path string) {
	if b.special(n, v, path) {
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		b.bind(n, v.Elem(), path)
	case reflect.Struct:
		if o, ok := as[*jsontree.Object](b, n, path); ok {
			b.members(o, v, path)
		}
	case reflect.Slice:
		b.items(n, v, path)
	case reflect.Map:
		b.entries(n, v, path)
	case reflect.String:
		if s, ok := as[string](b, n, path); ok {
			v.SetString(s)
		}
	case reflect.Bool:
		if yes, ok := as[bool](b, n, path); ok {
			v.SetBool(yes)
		}
	case reflect.Int:
		if number, ok := as[json.Number](b, n, path); ok {
			b.integer(number.String(), v, path)
		}
	}
}

// special binds the types that have a form of their own.
func (b *binder) special(n any, v reflect.Value, path string) bool {
	switch p := v.Addr().Interface().(type) {
	case *Duration:
		if s, ok := as[string](b, n, path); ok {
			b.duration(s, p, path)
		}
	case *Signal:
		if s, ok := as[string](b, n, path); ok {
			b.signal(s, p, path)
		}
	case *secret.Ref:
		if s, ok := as[string](b, n, path); ok {
			b.reference(s, p, path)
		}
	case *Hosts:
		b.hosts(n, p, path)
	case *StatsTags:
		b.statsTags(n, p, path)
	case *EnvValue:
		b.variable(n, p, path)
	case *Ready:
		if n == "started" {
			p.Started = true
		} else if _, ok := n.(*jsontree.Object); !ok {
			b.error(path, `must be an object or "started"`)
		} else {
			return false
		}
	case *map[string]any:
		if o, ok := as[*jsontree.Object](b, n, path); ok {
			*p, _ = jsontree.Plain(o).(map[string]any)
		}
	default:
		return false
	}
	return true
}

func (b *binder) integer(text string, v reflect.Value, path string) {
	i, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		f, ferr := strconv.ParseFloat(text, 64)
		if ferr != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
			b.error(path, "must be a whole number, got %s", text)
			return
		}
		i = int64(f)
	}
	v.SetInt(i)
}

// items binds an array; its items cannot be null.
func (b *binder) items(n any, v reflect.Value, path string) {
	items, ok := as[[]any](b, n, path)
	if !ok {
		return
	}
	list := reflect.MakeSlice(v.Type(), len(items), len(items))
	for i, item := range items {
		at := index(path, i)
		if item == nil {
			b.error(at, "must not be null")
			continue
		}
		b.bind(item, list.Index(i), at)
	}
	v.Set(list)
}

// entries binds an object into a map; null entries are absent.
func (b *binder) entries(n any, v reflect.Value, path string) {
	o, ok := as[*jsontree.Object](b, n, path)
	if !ok {
		return
	}
	v.Set(reflect.MakeMapWithSize(v.Type(), len(o.Keys())))
	for _, key := range o.Keys() {
		if o.Get(key) == nil {
			continue
		}
		entry := reflect.New(v.Type().Elem()).Elem()
		b.bind(o.Get(key), entry, join(path, key))
		v.SetMapIndex(reflect.ValueOf(key), entry)
	}
}

// members binds an object into a struct.
func (b *binder) members(o *jsontree.Object, v reflect.Value, path string) {
	into := members(v)
	for _, key := range o.Keys() {
		at, member := join(path, key), o.Get(key)
		field, known := into[key]
		switch {
		case known && member != nil:
			b.given[at] = true
			b.bind(member, field, at)
		case known:
		case b.open[path]:
			b.warn(at, "unknown key, ignored as consul-ecs did%s", b.hint(key, into))
		default:
			b.error(at, "unknown key%s", b.hint(key, into))
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

// join is the JSON path of a member.
func join(path, key string) string { return jsontree.Join(path, key) }

// index is the JSON path of an item.
func index(path string, i int) string { return jsontree.Index(path, i) }
