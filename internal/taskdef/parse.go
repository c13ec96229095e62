package taskdef

import (
	"fmt"

	"meshtask/internal/jsontree"
)

// parse reads one JSON document. Members that are null count as absent.
func parse(doc []byte) (any, error) {
	v, problems, err := jsontree.Parse(doc)
	if err != nil {
		return nil, err
	}
	if len(problems) > 0 {
		return nil, fmt.Errorf("%s: %s", problems[0].Path, problems[0].Text)
	}
	return jsontree.WithoutNulls(v), nil
}
