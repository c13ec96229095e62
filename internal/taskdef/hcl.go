package taskdef

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/hcl/ast"
	"github.com/hashicorp/hcl/hcl/parser"
	hclstrconv "github.com/hashicorp/hcl/hcl/strconv"
	"github.com/hashicorp/hcl/hcl/token"

	"meshtask/internal/jsontree"
)

// readHCL reads what Consul's agents are configured with, HCL or JSON, by the
// library that Consul itself uses. Blocks of one name are merged.
func readHCL(text string) (*jsontree.Object, error) {
	if strings.HasPrefix(strings.TrimSpace(text), "{") {
		v, err := parse([]byte(text))
		if err != nil {
			return nil, err
		}
		return v.(*jsontree.Object), nil
	}
	if nested(text) > jsontree.MaxDepth {
		return nil, fmt.Errorf("nested more than %d levels deep", jsontree.MaxDepth)
	}
	file, err := parser.ParseDontErrorOnDuplicateKeys([]byte(text)) // as the agents of these definitions did
	if err != nil {
		return nil, err
	}
	o := jsontree.New()
	if list, ok := file.Node.(*ast.ObjectList); ok {
		err = members(o, list)
	}
	return o, err
}

// nested is how deep a text nests; brackets in its strings count as well.
func nested(text string) int {
	depth, deepest := 0, 0
	for i := range len(text) {
		switch text[i] {
		case '{', '[', '(':
			depth++
			deepest = max(deepest, depth)
		case '}', ']', ')':
			depth--
		}
	}
	return deepest
}

// members puts attributes and blocks into o; the labels of a block are names of
// objects within it.
func members(o *jsontree.Object, list *ast.ObjectList) error {
	for _, item := range list.Items {
		v, err := hclValue(item.Val)
		if err != nil {
			return err
		}
		for i := len(item.Keys) - 1; i >= 0; i-- {
			key, err := literal(item.Keys[i].Token)
			if err != nil {
				return err
			}
			v = jsontree.New(fmt.Sprint(key), v)
		}
		if in, ok := v.(*jsontree.Object); ok {
			o.Merge(in)
		}
	}
	return nil
}

func hclValue(n ast.Node) (any, error) {
	switch n := n.(type) {
	case *ast.ObjectType:
		o := jsontree.New()
		return o, members(o, n.List)
	case *ast.ListType:
		list := []any{}
		for _, item := range n.List {
			v, err := hclValue(item)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, nil
	case *ast.LiteralType:
		return literal(n.Token)
	}
	return nil, fmt.Errorf("line %d: neither a string, a number, a boolean, a list nor an object", n.Pos().Line)
}

// literal is Token.Value, which panics at what is out of range.
func literal(t token.Token) (any, error) {
	switch t.Type {
	case token.IDENT:
		return t.Text, nil
	case token.BOOL:
		return t.Text == "true", nil
	case token.HEREDOC:
		return t.Value(), nil
	case token.STRING:
		if s, err := hclstrconv.Unquote(t.Text); err == nil {
			return s, nil
		}
	case token.NUMBER, token.FLOAT:
		if json.Valid([]byte(t.Text)) {
			return json.Number(t.Text), nil
		}
		if n, err := strconv.ParseInt(t.Text, 0, 64); err == nil { // 0x1f
			return json.Number(strconv.FormatInt(n, 10)), nil
		}
	}
	return nil, fmt.Errorf("line %d: %s cannot be read", t.Pos.Line, t.Text)
}

// take goes through the members that are not objects, by their path, and removes
// those that fn takes, and objects that are empty then.
func take(o *jsontree.Object, prefix string, fn func(path string, v any) bool) {
	o.Keep(func(k string, v any) bool {
		if inner, ok := v.(*jsontree.Object); ok {
			take(inner, prefix+k+".", fn)
			return len(inner.Keys()) > 0
		}
		return !fn(prefix+k, v)
	})
}
