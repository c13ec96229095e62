package metrics

import (
	"encoding/json"
	"fmt"

	"meshtask/envoy/bootstrap"
)

// Tag is one of a document's: a value for every statistic, or an expression of Consul's.
type Tag struct{ Name, Value, Expression string }

// Tags reads the stats_tags of a bootstrap document. translate is true where Envoy's statistics
// lack labels of Consul's expressions that they would have in the document that Consul makes. It
// is false where all are there, and where there are expressions of the user's, or no tags of
// Envoy's own: then what Envoy prints is what the document's author wants, and tags is nil.
func Tags(document []byte) (tags []Tag, translate bool, err error) {
	var doc struct {
		Stats map[string]json.RawMessage `json:"stats_config"`
		Other json.RawMessage            `json:"statsConfig"` // a template's
	}
	if err := json.Unmarshal(document, &doc); err != nil {
		return nil, false, fmt.Errorf("tags of the bootstrap document: %w", err)
	}
	if doc.Other != nil {
		return nil, false, nil
	}
	all := false
	for key, value := range doc.Stats {
		switch key {
		case "stats_tags":
			var ok bool
			if tags, all, ok = known(value); !ok {
				return nil, false, nil
			}
		case "use_all_default_tags":
			if string(value) != "true" {
				return nil, false, nil
			}
		case "stats_matcher", "histogram_bucket_settings": // they change no name
		default:
			return nil, false, nil
		}
	}
	return tags, !all, nil
}

// known are the tags of a list, if they are of a fixed value or Consul's, and whether all of
// Consul's are among them.
func known(list json.RawMessage) (tags []Tag, all, ok bool) {
	var given []map[string]string
	if json.Unmarshal(list, &given) != nil {
		return nil, false, false
	}
	missing := map[string]string{}
	for _, e := range bootstrap.TagExpressions() {
		missing[e[0]] = e[1]
	}
	for _, t := range given {
		tag := Tag{Name: t["tag_name"]}
		value, fixed := t["fixed_value"]
		tag.Value = value
		if !fixed {
			if tag.Expression = missing[tag.Name]; tag.Expression == "" || tag.Expression != t["regex"] {
				return nil, false, false
			}
			delete(missing, tag.Name)
		}
		if tag.Name == "" || len(t) != 2 {
			return nil, false, false
		}
		tags = append(tags, tag)
	}
	return tags, len(missing) == 0, true
}
