package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"meshtask/internal/jsontree"
	"meshtask/internal/secret"
)

func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// examples are whole documents that Load must take.
func examples(t *testing.T) map[string][]byte {
	t.Helper()
	names, err := filepath.Glob("testdata/*.json")
	if err != nil || len(names) < 5 {
		t.Fatalf("examples: %v, %v", names, err)
	}
	m := map[string][]byte{}
	for _, name := range names {
		if m[filepath.Base(name)], err = os.ReadFile(name); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// Every example fits the schema and loads; what Load made of it fits as well.
func TestExamples(t *testing.T) {
	s := compiled(t)
	fits := func(doc []byte) error {
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(doc))
		if err != nil {
			return err
		}
		return s.Validate(v)
	}
	for name, doc := range examples(t) {
		if err := fits(doc); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		flags := map[string]string{}
		if strings.HasPrefix(name, "consul-ecs") {
			flags["retry-join"] = "10.0.3.7"
		}
		c, warnings, err := Load(Sources{Name: name, File: doc, Flags: flags})
		warnings = slices.DeleteFunc(warnings, func(f Finding) bool { return f.Path == "envoy.admin" }) // everything.json has it on a port
		if err != nil || len(warnings) > 0 {
			t.Errorf("%s: %v %v", name, warnings, err)
			continue
		}
		out, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		if err := fits(out); err != nil {
			t.Errorf("%s as loaded: %v\n%s", name, err, out)
		}
	}
}

// Schema and structs say the same, field by field.
func TestSchemaMatchesStructs(t *testing.T) {
	tree, _, _ := jsontree.Parse(schema)
	root := tree.(*jsontree.Object)
	same(t, docs{root: root}, "", reflect.TypeFor[document](), root)
}

func same(t *testing.T, d docs, path string, typ reflect.Type, n *jsontree.Object) {
	t.Helper()
	n = d.shape(n)
	for typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	want := map[reflect.Kind]string{reflect.String: "string", reflect.Int: "integer", reflect.Bool: "boolean", reflect.Slice: "array", reflect.Map: "object", reflect.Struct: "object"}[typ.Kind()]
	switch typ {
	case reflect.TypeFor[Duration](), reflect.TypeFor[Signal](), reflect.TypeFor[secret.Ref]():
		if !n.Has("pattern") {
			t.Errorf("%s: the schema has no pattern for a %s", path, typ.Name())
		}
		return
	case reflect.TypeFor[StatsTags]():
		if list := n.Objects("oneOf"); len(list) != 2 || !slices.Equal(list[1].Obj("items").Strings("enum"), StatsTagNames()) {
			t.Errorf("%s: the schema does not list the names", path)
		}
		return
	case reflect.TypeFor[EnvValue]():
		typ = reflect.TypeFor[literal]()
	}
	got := n.Str("type")
	if types := n.Strings("type"); len(types) > 0 {
		got = types[0]
	}
	if len(n.List("enum")) > 0 {
		got = "string"
	}
	if got != want {
		t.Errorf("%s: the schema says %q, the struct is %q", path, got, want)
	}
	switch typ.Kind() {
	case reflect.Slice:
		same(t, d, path+"[]", typ.Elem(), n.Obj("items"))
	case reflect.Map:
		if typ.Elem().Kind() != reflect.Interface {
			same(t, d, path+"{}", typ.Elem(), n.Obj("additionalProperties"))
		}
	case reflect.Struct:
		v := reflect.New(typ).Elem()
		if typ == reflect.TypeFor[document]() {
			v = reflect.ValueOf(document{Config: &Config{}})
		}
		fields := members(v)
		names, have := sorted(fields), slices.Sorted(slices.Values(n.Obj("properties").Keys()))
		if !slices.Equal(names, have) {
			t.Errorf("%s: fields of the struct %v, of the schema %v", path, names, have)
		}
		if n.Get("additionalProperties") != false {
			t.Errorf("%s: the schema must refuse unknown keys", path)
		}
		for _, name := range names {
			same(t, d, join(path, name), fields[name].Type(), n.Obj("properties").Obj(name))
		}
	}
}

// The defaults that the schema names are the ones that Load sets.
func TestSchemaDefaults(t *testing.T) {
	doc := `{"service":{"checks":[{"name":"c","ttl":"9s"}]},"proxy":{"upstreams":[{"destinationName":"a","localBindPort":1}],"expose":{"paths":[{"path":"/","listenerPort":2,"localPathPort":3}]}},
		"health":{"app":{"command":["CMD","x"]}},"acl":{"login":{"server":"a:1"}},"consulAgent":{"retryJoin":["a"]},"app":{"ready":{"timeout":"5m"}}}`
	c, _, err := Load(Sources{File: []byte(doc)})
	if err != nil {
		t.Fatal(err)
	}
	tree, _, _ := jsontree.Parse(schema)
	root := tree.(*jsontree.Object)
	d := docs{root: root}
	n := 0
	var walk func(path string, v reflect.Value, s *jsontree.Object)
	walk = func(path string, v reflect.Value, s *jsontree.Object) {
		if def := s.Get("default"); def != nil {
			n++
			got := fmt.Sprint(v.Interface())
			if tags, ok := v.Interface().(StatsTags); ok {
				got = string(tags.Mode)
			}
			if dur, ok := v.Interface().(Duration); ok {
				var want Duration
				newReport().duration(def.(string), &want, path)
				if dur.Duration != want.Duration {
					t.Errorf("%s: default %s, schema %s", path, dur, want)
				}
				return
			}
			if want := fmt.Sprint(def); got != want {
				t.Errorf("%s: default %s, schema %s", path, got, def)
			}
		}
		s = d.shape(s)
		v = reflect.Indirect(v)
		if v.Kind() == reflect.Slice && v.Len() > 0 && v.Index(0).Kind() == reflect.Struct {
			v, s, path = v.Index(0), d.shape(s.Obj("items")), path+"[0]"
		}
		if v.Kind() != reflect.Struct || !s.Has("properties") {
			return
		}
		for name, f := range members(v) {
			if p, ok := s.Obj("properties").Get(name).(*jsontree.Object); ok {
				walk(join(path, name), f, p)
			}
		}
	}
	walk("", reflect.ValueOf(document{Config: c}), root)
	if n < 50 {
		t.Errorf("only %d defaults were compared", n)
	}
}

func TestDocs(t *testing.T) {
	got := Docs()
	for _, want := range []string{
		"| field | type | default | meaning |\n|---|---|---|---|\n",
		"\n| `service.port` | integer | – | ",
		"\n| `service.checks[].name` | string | – | ",
		"\n| `consulAgent.restart.maxBackoff` | duration | `5s` | ",
		"\n| `proxy.upstreams[].meshGateway.mode` | none, local, remote | – | ",
		"\n| `app.ready.timeout` | duration | `5m` | ",
		"\n| `app.env` | object of variables | – | ",
		"\n| `shutdown.drain.enabled` | boolean | `true` | ",
		"\n| `log.level` | trace, debug, info, warn, error | `info` | ",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("want %q in\n%s", want, got)
		}
	}
	for i, line := range strings.Split(strings.TrimSpace(got), "\n") {
		if n := strings.Count(line, "|") - strings.Count(line, `\|`); n != 5 || i > 1 && strings.Contains(line, "|  |") {
			t.Errorf("line %d is no row of four cells: %s", i, line)
		}
	}
}
