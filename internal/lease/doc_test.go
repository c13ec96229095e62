package lease

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// docs/lease.md has every message that the code has, in the form that is sent, and
// no other; and the limits that the code keeps.
func TestTheDocumentHasTheMessages(t *testing.T) {
	text, err := os.ReadFile("../../docs/lease.md")
	if err != nil {
		t.Fatal(err)
	}
	doc := string(text)
	said := map[string]bool{}
	for _, m := range regexp.MustCompile("`(\\{\"say\".*?\\})`").FindAllStringSubmatch(doc, -1) {
		got, err := parse([]byte(m[1]))
		if err != nil {
			t.Fatalf("%s: %v", m[1], err)
		}
		again, err := json.Marshal(got)
		if err != nil || string(again) != m[1] {
			t.Errorf("the document has %s, sent is %s (%v)", m[1], again, err)
		}
		said[got.Say] = true
	}
	if want := constants(t, "say"); !slices.Equal(slices.Sorted(maps.Keys(said)), want) {
		t.Errorf("the document has %v, the code %v", slices.Sorted(maps.Keys(said)), want)
	}
	for _, want := range []string{protocol, "GET " + Path + " HTTP/1.1",
		strconv.Itoa(maxLeases), strconv.Itoa(lineLimit), strconv.Itoa(maxName), strconv.Itoa(strangeLimit) + ", then",
		"within " + seconds(helloLimit) + " of the upgrade", "within " + seconds(pongLimit) + "; without", "for " + seconds(grace) + " if",
		strconv.Itoa(nameBurst) + " at once, then one a second", strconv.Itoa(allBurst) + " at once, then ten a minute"} {
		if !strings.Contains(doc, want) {
			t.Errorf("the document does not say %q", want)
		}
	}
}

func seconds(d interface{ Seconds() float64 }) string {
	return strconv.FormatFloat(d.Seconds(), 'g', -1, 64) + " s"
}

// constants are the values of lease.go's string constants with this prefix, sorted.
func constants(t *testing.T, prefix string) []string {
	file, err := parser.ParseFile(token.NewFileSet(), "lease.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	ast.Inspect(file, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok && len(v.Values) == 1 && strings.HasPrefix(v.Names[0].Name, prefix) {
			text, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, text)
		}
		return true
	})
	slices.Sort(out)
	return out
}
