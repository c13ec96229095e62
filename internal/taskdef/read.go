package taskdef

import (
	"encoding/json"
	"errors"
	"strings"
)

// ByContainer reads the words that Options has by container: {"container": ["word"]}, or
// ["word"] for the only app, which apps may name.
func ByContainer(text string, apps []string) (map[string][]string, error) {
	var one []string
	if json.Unmarshal([]byte(text), &one) == nil {
		only := OnlyApp
		if len(apps) == 1 {
			only = apps[0]
		}
		return map[string][]string{only: one}, nil
	}
	var all map[string][]string
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		return nil, errors.New(`want ["word"], or {"container": ["word"]}`)
	}
	return all, nil
}

// Command reads a command: a JSON list of its words, or words between spaces.
func Command(text string) []string {
	var argv []string
	if json.Unmarshal([]byte(text), &argv) != nil {
		return strings.Fields(text)
	}
	return argv
}
