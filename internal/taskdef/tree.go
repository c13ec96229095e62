package taskdef

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
)

// object is a JSON object that keeps its order, so that a diff shows what
// changed and nothing else. Values are *object, []any, string, json.Number, bool.
// Members that are null count as absent and are not kept.
type object struct {
	keys []string
	m    map[string]any
}

func newObject(kv ...any) *object {
	o := &object{m: map[string]any{}}
	for i := 0; i+1 < len(kv); i += 2 {
		o.set(kv[i].(string), kv[i+1])
	}
	return o
}

func (o *object) has(key string) bool {
	_, ok := o.m[key]
	return ok
}

func (o *object) set(key string, v any) {
	if !o.has(key) {
		o.keys = append(o.keys, key)
	}
	o.m[key] = v
}

// insert is set, with a new key before another one.
func (o *object) insert(key, before string, v any) {
	fresh := !o.has(key)
	o.set(key, v)
	if i := slices.Index(o.keys, before); fresh && i >= 0 {
		o.keys = slices.Insert(o.keys[:len(o.keys)-1], i, key)
	}
}

func (o *object) del(key string) {
	if o.has(key) {
		delete(o.m, key)
		o.keys = slices.DeleteFunc(o.keys, func(k string) bool { return k == key })
	}
}

func (o *object) str(key string) string {
	s, _ := o.m[key].(string)
	return s
}

// num is a whole number; 0 when there is none.
func (o *object) num(key string) int {
	n, _ := o.m[key].(json.Number)
	i, _ := n.Int64()
	return int(i)
}

// obj is never nil, but what it returns for an absent member is not part of o.
func (o *object) obj(key string) *object {
	if v, ok := o.m[key].(*object); ok {
		return v
	}
	return newObject()
}

// sub is obj, and makes an absent member.
func (o *object) sub(key string) *object {
	if _, ok := o.m[key].(*object); !ok {
		o.set(key, newObject())
	}
	return o.m[key].(*object)
}

func (o *object) list(key string) []any {
	l, _ := o.m[key].([]any)
	return l
}

func (o *object) objects(key string) []*object {
	var out []*object
	for _, v := range o.list(key) {
		if m, ok := v.(*object); ok {
			out = append(out, m)
		}
	}
	return out
}

func (o *object) strings(key string) []string { return texts(o.list(key)) }

// keep leaves those items of a list of objects that want says.
func (o *object) keep(key string, want func(*object) bool) {
	var out []any
	for _, v := range o.objects(key) {
		if want(v) {
			out = append(out, v)
		}
	}
	if len(out) == len(o.list(key)) {
		return
	}
	if len(out) == 0 {
		o.del(key)
		return
	}
	o.set(key, out)
}

func (o *object) clone() *object {
	out := newObject()
	for _, k := range o.keys {
		out.set(k, cloneValue(o.m[k]))
	}
	return out
}

func cloneValue(v any) any {
	switch v := v.(type) {
	case *object:
		return v.clone()
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = cloneValue(v[i])
		}
		return out
	}
	return v
}

func texts(list []any) []string {
	var out []string
	for _, v := range list {
		if s, ok := v.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

func values(list []string) []any {
	out := []any{}
	for _, s := range list {
		out = append(out, s)
	}
	return out
}

func number(n int) json.Number { return json.Number(fmt.Sprint(n)) }

// parse reads one JSON document.
func parse(doc []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(doc))
	d.UseNumber()
	v, err := value(d)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("more than one JSON document")
	}
	return v, nil
}

func value(d *json.Decoder) (any, error) {
	tok, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch tok {
	case json.Delim('{'):
		o := newObject()
		for d.More() {
			key, err := d.Token()
			if err != nil {
				return nil, err
			}
			v, err := value(d)
			if err != nil {
				return nil, err
			}
			if v != nil {
				o.set(key.(string), v)
			}
		}
		_, err := d.Token()
		return o, err
	case json.Delim('['):
		list := []any{}
		for d.More() {
			v, err := value(d)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err := d.Token()
		return list, err
	}
	return tok, nil
}
