// Package fits holds what meshtask writes against the schemas that it publishes, for tests.
// They are read more strictly here than they are published: what they do not name is a fault.
package fits

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"meshtask/internal/outputs"
)

// Schema checks documents, or lines of them, against the schema of that name.
func Schema(name string, text []byte) error {
	schema, err := compiled(name)
	if err != nil {
		return err
	}
	var errs []error
	n := 0
	for line := range bytes.Lines(text) {
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		n++
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(line))
		if err == nil {
			err = schema.Validate(v)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", line, err))
		}
	}
	if n == 0 {
		errs = append(errs, errors.New("there is no document"))
	}
	return errors.Join(errs...)
}

func compiled(name string) (*jsonschema.Schema, error) {
	text, err := outputs.Schema(name)
	if err != nil {
		return nil, err
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	if name != "log" { // whose lines have members of their own
		strict(doc)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource(name, doc); err != nil {
		return nil, err
	}
	return c.Compile(name)
}

// strict forbids every object the members that its schema does not name.
func strict(doc any) {
	switch doc := doc.(type) {
	case map[string]any:
		_, named := doc["properties"].(map[string]any)
		if _, open := doc["additionalProperties"]; named && !open {
			doc["additionalProperties"] = false
		}
		for _, v := range doc {
			strict(v)
		}
	case []any:
		for _, v := range doc {
			strict(v)
		}
	}
}
