// Package servicename knows which names a service of the mesh may have, and
// which one it has when nobody named it: one answer for the task, the ACL
// controller and the conversion of task definitions.
//
// Consul ignores case where it looks up services and policies, but not in rules,
// certificates and intentions. So a name with capitals is two services to one
// half of Consul and one to the other; only lower-case names are told apart by
// both.
//
// It does not know tokens, policies or secrets.
package servicename

import (
	"fmt"
	"strings"
)

// Max is the longest name, in bytes.
const Max = 64

// proxySuffix is what the name of a service's proxy ends in.
const proxySuffix = "-sidecar-proxy"

// Default is the name of a service that nobody named: the family of its task
// definition in lower case.
func Default(family string) string { return strings.ToLower(family) }

// Check says why a service may not have this name, as the end of a sentence that
// begins with the name; nil: it may.
func Check(name string) error {
	if of, ok := strings.CutSuffix(strings.ToLower(name), proxySuffix); ok {
		return fmt.Errorf("ends in %q, as the name of the proxy of service %q does", proxySuffix, of)
	}
	return Chars(name)
}

// Chars is the part of Check that holds for the name of a namespace too.
func Chars(name string) error {
	if lower := strings.ToLower(name); lower != name && Chars(lower) == nil {
		return fmt.Errorf("has capital letters, which Consul ignores in some places and not in others: name it %q", lower)
	}
	if name == "" || len(name) > Max || strings.ContainsFunc(name, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_'
	}) {
		return fmt.Errorf("must have 1–%d lower-case letters, digits, '-' and '_'", Max)
	}
	return nil
}
