package jsontree

import (
	"encoding/json"
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"testing"
)

func object(t testing.TB, doc string) *Object {
	t.Helper()
	v, problems, err := Parse([]byte(doc))
	if err != nil || len(problems) > 0 {
		t.Fatal(problems, err)
	}
	return v.(*Object)
}

func TestParse(t *testing.T) {
	deep := strings.Repeat(`{"a":`, 80) + "1" + strings.Repeat("}", 80)
	for doc, want := range map[string]string{
		`{"b":1,"a":[true,null,"x",1e3]}`:                           `{"b":1,"a":[true,null,"x",1e3]}`,
		`{"a":1,"b":2,"a":3}`:                                       `{"a":1,"b":2}` + "|a: given twice",
		`{"x":[{"a b":{"c":1,"c":2}}]}`:                             `{"x":[{"a b":{"c":1}}]}|x[0]["a b"].c: given twice`,
		`{"` + strings.Repeat("k", 2000) + `":{"a":1,"a":2},"b":1}`: `{"b":1}|` + strings.Repeat("k", 40) + `…: the name has 2000 bytes, at most 1024 are taken`,
		deep:   strings.Repeat(`{"a":`, 64) + "null" + strings.Repeat("}", 64) + "|" + strings.Repeat("a.", 63) + "a: nested more than 64 levels deep",
		`null`: "null", ` "s" `: `"s"`,
	} {
		v, problems, err := Parse([]byte(doc))
		var got strings.Builder
		got.WriteString(Compact(v))
		for _, p := range problems {
			got.WriteString("|" + p.Path + ": " + p.Text)
		}
		if doc[0] == '{' && strings.Contains(doc, "kkk") {
			want = strings.Replace(want, strings.Repeat("k", 40)+"…:", `["`+strings.Repeat("k", 40)+`…"]:`, 1)
		}
		if err != nil || got.String() != want {
			t.Errorf("%.60s: got %s, %v; want %s", doc, got.String(), err, want)
		}
	}
	for doc, want := range map[string]string{
		"{\n  \"a\": tru }": "not JSON: line 2, column 11: invalid character", "": "unexpected end", "{} x": "after top-level value",
		strings.Repeat("[", 20000): "exceeded max depth",
	} {
		if _, _, err := Parse([]byte(doc)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: %v, want %s", doc, err, want)
		}
	}
	if _, problems, _ := Parse([]byte("{" + strings.Repeat(`"a":1,`, 5000) + `"a":1}`)); len(problems) != reported {
		t.Errorf("%d problems are reported", len(problems))
	}
}

func TestObject(t *testing.T) {
	o := object(t, `{"a":{"x":1,"y":null},"l":[{"n":1},"s",{"n":2}],"s":"t"}`)
	c := Clone(o).(*Object)
	o.Insert("b", "l", true)
	o.Insert("z", "nobody", Number(7))
	o.Sub("a").Set("x", "new")
	o.Sub("made").Set("in", Texts([]string{"p", "q"}))
	o.Filter("l", func(in *Object) bool { return in.Num("n") == 2 })
	o.Del("s")
	o.Merge(object(t, `{"a":{"w":0},"b":false}`))
	if got := Compact(WithoutNulls(o)); got != `{"a":{"x":"new","w":0},"b":false,"l":[{"n":2}],"z":7,"made":{"in":["p","q"]}}` {
		t.Error(got)
	}
	if got := Compact(c); got != `{"a":{"x":1,"y":null},"l":[{"n":1},"s",{"n":2}],"s":"t"}` {
		t.Errorf("the clone changed: %s", got)
	}
	if c.Str("s") != "t" || c.Obj("a").Num("x") != 1 || len(c.Objects("l")) != 2 || len(c.Strings("l")) != 1 || c.Obj("none").Has("x") || c.Get("none") != nil {
		t.Error("a reader of members is wrong")
	}
	want := map[string]any{"a": map[string]any{"x": 1.0, "y": nil}, "l": []any{map[string]any{"n": 1.0}, "s", map[string]any{"n": 2.0}}, "s": "t"}
	if got := Plain(c); !reflect.DeepEqual(got, want) {
		t.Errorf("plain: %v", got)
	}
	if got := string(Pretty(object(t, `{"image":"a","b":{"c":[1,["x"]]},"d":[{"e":1}]}`), "image")); got != "{\n  \"image\": \"a\",\n  \"b\": {\n    \"c\": [1, [\"x\"]]\n  },\n  \"d\": [\n    {\"e\": 1}\n  ]\n}\n" {
		t.Error(got)
	}
}

// allocated is what f takes from the heap: the same on every machine.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// Four times the document is about four times the work, whatever its shape.
func TestTheWorkIsLinear(t *testing.T) {
	long := strings.Repeat("k", maxKey)
	for name, doc := range map[string]func(n int) string{
		"keys":       func(n int) string { return "{" + strings.TrimSuffix(repeat(n, `"k%d":1,`), ",") + "}" },
		"duplicates": func(n int) string { return "{" + strings.TrimSuffix(strings.Repeat(`"k":1,`, n), ",") + "}" },
		"items": func(n int) string {
			return `{"` + long + `":[` + strings.TrimSuffix(strings.Repeat("1,", n), ",") + "]}"
		},
		"depth": func(n int) string { return strings.Repeat("[", n/10) + strings.Repeat("]", n/10) },
		"long paths": func(n int) string {
			return strings.Repeat(`{"`+long+`":`, 60) + "[" + strings.TrimSuffix(strings.Repeat("1,", n), ",") + "]" + strings.Repeat("}", 60)
		},
	} {
		work := func(n int) uint64 {
			text := []byte(doc(n))
			return allocated(func() {
				v, _, err := Parse(text)
				if err != nil {
					t.Fatal(name, err)
				}
				_ = Pretty(v, "image")
				Clone(v)
				if o, ok := v.(*Object); ok {
					o.Keep(func(string, any) bool { return false })
				}
			})
		}
		small, large := work(20_000), work(80_000)
		if large > 8*small {
			t.Errorf("%s: %d bytes, and of four times the document %d", name, small, large)
		}
	}
}

func repeat(n int, format string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"a":[1,{"b":null}],"a":2,"c":"\u2028"}`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		v, _, err := Parse(doc)
		if (err == nil) != json.Valid(doc) {
			t.Fatalf("%q: %v", doc, err)
		}
		if err != nil {
			return
		}
		again, problems, err := Parse([]byte(Compact(v)))
		if err != nil || len(problems) > 0 || Compact(again) != Compact(v) {
			t.Errorf("%q became %s: %v %v", doc, Compact(v), problems, err)
		}
		if pretty, _, err := Parse(Pretty(v, "image")); err != nil || Compact(pretty) != Compact(v) {
			t.Errorf("%q is printed as %s", doc, Pretty(v, "image"))
		}
	})
}
