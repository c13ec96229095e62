package acl

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/hashicorp/consul/api"

	"meshtask/acl/reconcile"
)

// Logins reads the two auth methods, their rules, the roles that they give, and whether this
// datacenter is the primary one.
func (c consulACL) Logins(ctx context.Context, roles []string) (reconcile.Logins, error) {
	l := reconcile.Logins{Methods: map[string]reconcile.AuthMethod{}, Rules: map[string][]reconcile.BindingRule{}, Roles: map[string]reconcile.Role{}}
	for _, name := range []string{reconcile.ClientMethod, reconcile.ServiceMethod} {
		m, _, err := c.api.ACL().AuthMethodRead(name, c.query(ctx))
		if err != nil && !notFound(err) {
			return l, consulError(err, "acl:read")
		}
		if m == nil {
			continue
		}
		l.Methods[name] = reconcile.AuthMethod{Name: m.Name, Type: m.Type, Description: m.Description, Config: maps.Clone(m.Config),
			TaggedNamespace: len(m.NamespaceRules) > 0, Exists: true}
		rules, _, err := c.api.ACL().BindingRuleList(name, c.query(ctx))
		if err != nil {
			return l, consulError(err, "acl:read")
		}
		for _, r := range rules {
			l.Rules[name] = append(l.Rules[name], reconcile.BindingRule{Method: name, Description: r.Description, Selector: r.Selector, BindType: string(r.BindType), BindName: r.BindName})
		}
	}
	for _, name := range roles {
		role, _, err := c.api.ACL().RoleReadByName(name, c.query(ctx))
		if err != nil && !notFound(err) {
			return l, consulError(err, "acl:read")
		}
		if role == nil {
			continue
		}
		have := reconcile.Role{ID: role.ID, Name: role.Name, Description: role.Description}
		for _, p := range role.Policies {
			have.Policies = append(have.Policies, reconcile.Link{ID: p.ID, Name: p.Name})
		}
		l.Roles[name] = have
	}
	var err error
	if l.Primary, err = c.primary(ctx); err != nil {
		l.Unread = err.Error()
	}
	return l, nil
}

// primary says whether the server is in the primary datacenter. ACLs of others are replicated
// from there.
func (c consulACL) primary(ctx context.Context) (bool, error) {
	var self map[string]map[string]any
	_, err := c.api.Raw().Query("/v1/agent/self", &self, (&api.QueryOptions{}).WithContext(ctx))
	if err != nil {
		return false, consulError(err, "agent:read")
	}
	here := self["Config"]["Datacenter"]
	for _, part := range []string{"Config", "DebugConfig"} {
		if first, ok := self[part]["PrimaryDatacenter"].(string); ok && first != "" {
			return first == here, nil
		}
	}
	return false, errors.New("/v1/agent/self of Consul names no primary datacenter")
}

func (c consulACL) PutRole(ctx context.Context, r reconcile.Role) error {
	role := &api.ACLRole{ID: r.ID, Name: r.Name, Description: r.Description, Partition: c.partition, Namespace: c.namespace()}
	write := c.api.ACL().RoleCreate
	if r.ID != "" {
		have, _, err := c.api.ACL().RoleRead(r.ID, c.query(ctx))
		if err == nil && have == nil {
			err = fmt.Errorf("role %s is gone: it %w", r.Name, errConflict)
		}
		if err != nil {
			return consulError(err, "acl:read")
		}
		role, write = have, c.api.ACL().RoleUpdate
		role.Policies = nil
	}
	for _, p := range r.Policies {
		role.Policies = append(role.Policies, &api.ACLLink{ID: p.ID})
	}
	_, _, err := write(role, c.write(ctx))
	return consulError(err, "acl:write")
}

func (c consulACL) PutAuthMethod(ctx context.Context, m reconcile.AuthMethod) error {
	method := &api.ACLAuthMethod{Name: m.Name, Type: m.Type, Description: m.Description, Partition: c.partition, Namespace: c.namespace()}
	write := c.api.ACL().AuthMethodCreate
	if m.Exists {
		have, _, err := c.api.ACL().AuthMethodRead(m.Name, c.query(ctx))
		if err == nil && have == nil {
			err = fmt.Errorf("auth method %s is gone: it %w", m.Name, errConflict)
		}
		if err != nil {
			return consulError(err, "acl:read")
		}
		method, write = have, c.api.ACL().AuthMethodUpdate
	}
	method.Config = m.Config
	if m.TaggedNamespace && len(method.NamespaceRules) == 0 {
		method.NamespaceRules = []*api.ACLAuthMethodNamespaceRule{{
			Selector:      fmt.Sprintf(`entity_tags["%s"] != ""`, reconcile.EntitySpace),
			BindNamespace: "${entity_tags." + reconcile.EntitySpace + "}",
		}}
	}
	_, _, err := write(method, c.write(ctx))
	return consulError(err, "acl:write")
}

func (c consulACL) CreateBindingRule(ctx context.Context, r reconcile.BindingRule) error {
	_, _, err := c.api.ACL().BindingRuleCreate(&api.ACLBindingRule{AuthMethod: r.Method, Description: r.Description, Selector: r.Selector,
		BindType: api.BindingRuleBindType(r.BindType), BindName: r.BindName, Partition: c.partition, Namespace: c.namespace()}, c.write(ctx))
	return consulError(err, "acl:write")
}
