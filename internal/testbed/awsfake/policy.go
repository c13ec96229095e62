package awsfake

import (
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"
)

// Policy is an IAM identity policy: what of it the files in deploy/ use. Allow and
// Deny statements with Action and Resource, each a string or a list, with wildcards.
type Policy struct {
	Version   string
	Statement []Statement
}

// Statement is one statement of a policy.
type Statement struct {
	Sid, Effect      string
	Action, Resource oneOrMany
	Condition        json.RawMessage
}

type oneOrMany []string

// UnmarshalJSON takes a string or a list of strings.
func (o *oneOrMany) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*o = oneOrMany{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(o))
}

// ParsePolicy reads a policy document; it refuses what it would not enforce.
func ParsePolicy(doc []byte) (*Policy, error) {
	var p Policy
	d := json.NewDecoder(strings.NewReader(string(doc)))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		return nil, fmt.Errorf("policy document: %w", err)
	}
	for _, s := range p.Statement {
		if s.Effect != "Allow" && s.Effect != "Deny" || len(s.Action) == 0 || len(s.Resource) == 0 {
			return nil, fmt.Errorf("statement %q: only Allow and Deny with Action and Resource are known", s.Sid)
		}
	}
	return &p, nil
}

// Allows says whether the policy allows an action on a resource, and does not deny
// it. Conditions are taken as met.
func (p *Policy) Allows(action, resource string) bool {
	return p.says("Allow", action, resource) && !p.says("Deny", action, resource)
}

func (p *Policy) says(effect, action, resource string) bool {
	return slices.ContainsFunc(p.Statement, func(s Statement) bool {
		return s.Effect == effect && matches(s.Action, action) && (resource == "*" && slices.Contains(s.Resource, "*") || resource != "*" && matches(s.Resource, resource))
	})
}

// Actions are all actions that it allows.
func (p *Policy) Actions() []string {
	var all []string
	for _, s := range p.Statement {
		if s.Effect == "Allow" {
			all = append(all, s.Action...)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func matches(patterns []string, s string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		// path.Match stops at slashes, IAM's wildcards do not.
		fine, err := path.Match(strings.ReplaceAll(p, "/", "\x00"), strings.ReplaceAll(s, "/", "\x00"))
		return err == nil && fine
	})
}
