// Package jsontree holds JSON documents whose order matters: to report
// everything that is wrong with one by its path, and to print one so that a
// diff shows what changed and nothing else. It knows JSON and no document.
package jsontree

import (
	"encoding/json"
	"slices"
	"strconv"
)

// Object is a JSON object that keeps its order. The values of a tree are
// *Object, []any, string, json.Number, bool and nil for null.
type Object struct {
	keys []string
	m    map[string]any
}

// New returns an object of pairs: a string, its value, and so on.
func New(pairs ...any) *Object {
	o := &Object{m: map[string]any{}}
	for i := 0; i+1 < len(pairs); i += 2 {
		o.Set(pairs[i].(string), pairs[i+1])
	}
	return o
}

// Keys are the names of the members in order; the caller must not change them.
func (o *Object) Keys() []string { return o.keys }

// Get returns a member, nil when there is none.
func (o *Object) Get(key string) any { return o.m[key] }

// Has says whether there is such a member.
func (o *Object) Has(key string) bool {
	_, ok := o.m[key]
	return ok
}

// Set replaces a member where it stands, or adds it at the end.
func (o *Object) Set(key string, v any) {
	if !o.Has(key) {
		o.keys = append(o.keys, key)
	}
	o.m[key] = v
}

// Insert sets a member; a new one stands before another, if that is there.
func (o *Object) Insert(key, before string, v any) {
	if i := slices.Index(o.keys, before); i >= 0 && !o.Has(key) {
		o.keys = slices.Insert(o.keys, i, key)
		o.m[key] = v
		return
	}
	o.Set(key, v)
}

// Del removes a member. Remove many with Keep.
func (o *Object) Del(key string) {
	if o.Has(key) {
		delete(o.m, key)
		o.keys = slices.DeleteFunc(o.keys, func(k string) bool { return k == key })
	}
}

// Keep removes the members that want refuses, each asked once.
func (o *Object) Keep(want func(key string, v any) bool) {
	kept := make([]string, 0, len(o.keys))
	for _, k := range o.keys {
		if want(k, o.m[k]) {
			kept = append(kept, k)
		} else {
			delete(o.m, k)
		}
	}
	o.keys = kept
}

// Str is a member that is a string, else "".
func (o *Object) Str(key string) string {
	s, _ := o.m[key].(string)
	return s
}

// Num is a member that is a whole number, else 0.
func (o *Object) Num(key string) int {
	n, _ := o.m[key].(json.Number)
	i, _ := n.Int64()
	return int(i)
}

// Obj is a member that is an object. It is never nil, but what it returns for
// an absent member is not part of o.
func (o *Object) Obj(key string) *Object {
	if v, ok := o.m[key].(*Object); ok {
		return v
	}
	return New()
}

// Sub is Obj, and makes an absent member.
func (o *Object) Sub(key string) *Object {
	if _, ok := o.m[key].(*Object); !ok {
		o.Set(key, New())
	}
	return o.m[key].(*Object)
}

// List is a member that is an array, else nil.
func (o *Object) List(key string) []any {
	l, _ := o.m[key].([]any)
	return l
}

// Objects are the objects in a member that is an array.
func (o *Object) Objects(key string) []*Object {
	var out []*Object
	for _, v := range o.List(key) {
		if m, ok := v.(*Object); ok {
			out = append(out, m)
		}
	}
	return out
}

// Strings are the strings in a member that is an array.
func (o *Object) Strings(key string) []string {
	var out []string
	for _, v := range o.List(key) {
		if s, ok := v.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// Filter leaves those items of a list of objects that want takes; an empty
// list goes.
func (o *Object) Filter(key string, want func(*Object) bool) {
	var out []any
	for _, v := range o.Objects(key) {
		if want(v) {
			out = append(out, v)
		}
	}
	switch len(out) {
	case len(o.List(key)):
	case 0:
		o.Del(key)
	default:
		o.Set(key, out)
	}
}

// Merge puts from into o, object by object; from wins.
func (o *Object) Merge(from *Object) {
	for _, k := range from.keys {
		if theirs, ok := from.m[k].(*Object); ok {
			o.Sub(k).Merge(theirs)
		} else {
			o.Set(k, from.m[k])
		}
	}
}

// Clone is a deep copy of a value.
func Clone(v any) any {
	switch v := v.(type) {
	case *Object:
		out := New()
		for _, k := range v.keys {
			out.Set(k, Clone(v.m[k]))
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = Clone(v[i])
		}
		return out
	}
	return v
}

// WithoutNulls removes the members that are null, and returns v.
func WithoutNulls(v any) any {
	switch v := v.(type) {
	case *Object:
		v.Keep(func(_ string, in any) bool { return WithoutNulls(in) != nil })
	case []any:
		for _, in := range v {
			WithoutNulls(in)
		}
	}
	return v
}

// Plain is v as encoding/json would have it in an any, numbers as float64.
func Plain(v any) any {
	switch v := v.(type) {
	case json.Number:
		f, _ := strconv.ParseFloat(v.String(), 64)
		return f
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = Plain(v[i])
		}
		return out
	case *Object:
		out := make(map[string]any, len(v.keys))
		for _, k := range v.keys {
			out[k] = Plain(v.m[k])
		}
		return out
	}
	return v
}

// Texts is a list of strings as a value.
func Texts(list []string) []any {
	out := make([]any, len(list))
	for i, s := range list {
		out[i] = s
	}
	return out
}

// Number is a whole number as a value.
func Number(n int) json.Number { return json.Number(strconv.Itoa(n)) }

// Kind is what a value is, with its article, such as "a string".
func Kind(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "a boolean"
	case json.Number:
		return "a number"
	case string:
		return "a string"
	case []any:
		return "an array"
	}
	return "an object"
}

// Join is the path of a member.
func Join(path, key string) string {
	switch {
	case !plain(key):
		return path + "[" + strconv.Quote(key) + "]"
	case path == "":
		return key
	}
	return path + "." + key
}

// Index is the path of an item.
func Index(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// plain says whether a key can stand in a path without quotes.
func plain(key string) bool {
	for i, r := range key {
		letter := r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !letter && (i == 0 || r != '-' && (r < '0' || r > '9')) {
			return false
		}
	}
	return key != ""
}
