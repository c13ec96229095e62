package acl

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/consul/api"

	"meshtask/acl/reconcile"
	"meshtask/internal/secret"
)

// consulACL is Consul by its API library; partition is empty when partitions are off.
// The client's token needs acl:write, with partitions operator:write as well, and
// for rotation service:read and node:read on everything.
type consulACL struct {
	api       *api.Client
	partition string
}

// MetaAccessor is the key of service meta under which a task reports the
// accessor ID of the token that it uses; rotation waits for it.
const MetaAccessor = "acl-accessor"

// MetaAgentAccessor is the same for the token of the task's agent, "none" without one.
const MetaAgentAccessor = "acl-agent-accessor"

// noAgent is what a task that servers know of without an agent counts as saying: as consul-ecs has
// them from v0.7 on, it says nothing of an agent's token, and has none.
const noAgent = "none"

// ACL objects live in the default namespace of the partition.
func (c consulACL) namespace() string {
	if c.partition == "" {
		return ""
	}
	return defaultName
}

func (c consulACL) query(ctx context.Context) *api.QueryOptions {
	return (&api.QueryOptions{Partition: c.partition, Namespace: c.namespace(), RequireConsistent: true}).WithContext(ctx)
}

// everywhere asks about every namespace of the partition.
func (c consulACL) everywhere(ctx context.Context) *api.QueryOptions {
	q := c.query(ctx)
	if c.partition != "" {
		q.Namespace = "*"
	}
	return q
}

func (c consulACL) write(ctx context.Context) *api.WriteOptions {
	return (&api.WriteOptions{Partition: c.partition, Namespace: c.namespace()}).WithContext(ctx)
}

func (c consulACL) Tokens(ctx context.Context) ([]reconcile.Token, error) {
	list, _, err := c.api.ACL().TokenList(c.query(ctx))
	if err != nil {
		return nil, consulError(err, "acl:read")
	}
	tokens := make([]reconcile.Token, 0, len(list))
	for _, e := range list {
		t := reconcile.Token{AccessorID: strings.ToLower(e.AccessorID), Description: e.Description, Created: e.CreateTime, Method: e.AuthMethod}
		if e.SecretID != "<hidden>" {
			t.SecretID = secret.String(e.SecretID)
		}
		for _, p := range e.Policies {
			t.Policies = append(t.Policies, reconcile.Link{ID: p.ID, Name: p.Name})
		}
		for _, s := range e.ServiceIdentities {
			t.Identities = append(t.Identities, s.ServiceName)
		}
		tokens = append(tokens, t)
	}
	return tokens, nil
}

func (c consulACL) PutToken(ctx context.Context, t reconcile.Token) error {
	if t.AccessorID == reconcile.AnonymousToken { // Consul makes it, and refuses whoever tries
		return c.addPolicies(ctx, t)
	}
	create := &api.ACLToken{AccessorID: t.AccessorID, SecretID: t.SecretID.Reveal(), Description: t.Description,
		Partition: c.partition, Namespace: c.namespace()}
	for _, p := range t.Policies {
		create.Policies = append(create.Policies, &api.ACLLink{ID: p.ID})
	}
	_, _, err := c.api.ACL().TokenCreate(create, c.write(ctx))
	if err == nil {
		return nil
	}
	if !strings.Contains(err.Error(), "already in use") {
		return consulError(err, "acl:write")
	}
	return c.addPolicies(ctx, t)
}

// addPolicies gives a token that exists the policies that it lacks.
func (c consulACL) addPolicies(ctx context.Context, t reconcile.Token) error {
	have, _, err := c.api.ACL().TokenRead(t.AccessorID, c.query(ctx))
	if notFound(err) || err == nil && t.SecretID != "" && have.SecretID != t.SecretID.Reveal() {
		return fmt.Errorf("token %s: one of its IDs is another token's: %w", t.AccessorID, errConflict)
	}
	if err != nil {
		return consulError(err, "acl:read")
	}
	changed := false
	for _, p := range t.Policies {
		if !slices.ContainsFunc(have.Policies, func(l *api.ACLLink) bool { return l.ID == p.ID }) {
			have.Policies, changed = append(have.Policies, &api.ACLLink{ID: p.ID}), true
		}
	}
	if changed {
		_, _, err = c.api.ACL().TokenUpdate(have, c.write(ctx))
	}
	return consulError(err, "acl:write")
}

func (c consulACL) DescribeToken(ctx context.Context, accessorID, description string) error {
	have, _, err := c.api.ACL().TokenRead(accessorID, c.query(ctx))
	if err != nil {
		return consulError(err, "acl:read")
	}
	have.Description = description
	_, _, err = c.api.ACL().TokenUpdate(have, c.write(ctx))
	return consulError(err, "acl:write")
}

func (c consulACL) DeleteToken(ctx context.Context, accessorID string) error {
	_, err := c.api.ACL().TokenDelete(accessorID, c.write(ctx))
	if notFound(err) {
		return nil
	}
	return consulError(err, "acl:write")
}

func (c consulACL) Policies(ctx context.Context) ([]reconcile.Policy, error) {
	list, _, err := c.api.ACL().PolicyList(c.query(ctx))
	if err != nil {
		return nil, consulError(err, "acl:read")
	}
	policies := make([]reconcile.Policy, 0, len(list))
	for _, e := range list {
		policies = append(policies, reconcile.Policy{ID: e.ID, Name: e.Name, Description: e.Description, Hash: hex.EncodeToString(e.Hash)})
	}
	return policies, nil
}

func (c consulACL) PolicyRules(ctx context.Context, id string) (string, error) {
	p, _, err := c.api.ACL().PolicyRead(id, c.query(ctx))
	if err != nil {
		return "", consulError(err, "acl:read")
	}
	return p.Rules, nil
}

func (c consulACL) CreatePolicy(ctx context.Context, p reconcile.Policy) (string, error) {
	made, _, err := c.api.ACL().PolicyCreate(&api.ACLPolicy{Name: p.Name, Description: p.Description, Rules: p.Rules,
		Partition: c.partition, Namespace: c.namespace()}, c.write(ctx))
	if err != nil {
		return "", consulError(taken(err, "policy "+p.Name), "acl:write")
	}
	return made.ID, nil
}

func (c consulACL) UpdatePolicy(ctx context.Context, p reconcile.Policy) error {
	_, _, err := c.api.ACL().PolicyUpdate(&api.ACLPolicy{ID: p.ID, Name: p.Name, Description: p.Description, Rules: p.Rules,
		Partition: c.partition, Namespace: c.namespace()}, c.write(ctx))
	return consulError(err, "acl:write")
}

// taken is errConflict for Consul's answer that something of that name exists:
// whose it is, the next look tells.
func taken(err error, what string) error {
	if strings.Contains(err.Error(), "already exists") {
		return fmt.Errorf("%s exists already: it %w", what, errConflict)
	}
	return err
}

func (c consulACL) DeletePolicy(ctx context.Context, id string) error {
	_, err := c.api.ACL().PolicyDelete(id, c.write(ctx))
	if notFound(err) {
		return nil
	}
	return consulError(err, "acl:write")
}

func (c consulACL) Partitions(ctx context.Context) ([]string, error) {
	list, _, err := c.api.Partitions().List(ctx, (&api.QueryOptions{RequireConsistent: true}).WithContext(ctx))
	if err != nil {
		return nil, consulError(err, "operator:read")
	}
	names := make([]string, 0, len(list))
	for _, p := range list {
		names = append(names, p.Name)
	}
	return names, nil
}

func (c consulACL) CreatePartition(ctx context.Context, name string) error {
	_, _, err := c.api.Partitions().Create(ctx, &api.Partition{Name: name}, (&api.WriteOptions{}).WithContext(ctx))
	if err != nil {
		return consulError(taken(err, "partition "+name), "operator:write")
	}
	return nil
}

func (c consulACL) Namespaces(ctx context.Context) ([]string, error) {
	q := c.query(ctx)
	q.Namespace = "" // namespaces are in none
	list, _, err := c.api.Namespaces().List(q)
	if err != nil {
		return nil, consulError(err, "operator:read")
	}
	names := make([]string, 0, len(list))
	for _, n := range list {
		names = append(names, n.Name)
	}
	return names, nil
}

func (c consulACL) CreateNamespace(ctx context.Context, name string) error {
	q := c.write(ctx)
	q.Namespace = ""
	_, _, err := c.api.Namespaces().Create(&api.Namespace{Name: name, Partition: c.partition,
		ACLs: &api.NamespaceACLConfig{PolicyDefaults: []api.ACLLink{{Name: reconcile.CrossNamespacePolicy}}}}, q)
	if err != nil {
		return consulError(taken(err, "namespace "+name), "operator:write")
	}
	return nil
}

// Reports reads them from the meta of the service's instances.
func (c consulACL) Reports(ctx context.Context, s reconcile.Service) ([]reconcile.Report, error) {
	q := c.query(ctx)
	q.Namespace = s.Namespace
	list, _, err := c.api.Catalog().Service(s.Name, "", q)
	if err != nil {
		return nil, consulError(err, "service:read and node:read")
	}
	reports := make([]reconcile.Report, 0, len(list))
	for _, i := range list {
		r := reconcile.Report{TaskID: i.ServiceMeta[reconcile.MetaTaskID], AccessorID: strings.ToLower(i.ServiceMeta[MetaAccessor]),
			AgentAccessorID: strings.ToLower(i.ServiceMeta[MetaAgentAccessor])}
		if i.NodeMeta[reconcile.MetaSynthetic] == "true" {
			r.AgentAccessorID = noAgent
		}
		reports = append(reports, r)
	}
	return reports, nil
}

const aclNotFound = "ACL not found"

// notFound is Consul's answer for an ACL object that is not there. The bare
// words mean that our own token is not there; with them alone nothing may be
// taken for deleted.
func notFound(err error) bool {
	status, ok := errors.AsType[api.StatusError](err)
	return ok && (status.Code == 404 || strings.Contains(status.Body, aclNotFound) && strings.TrimSpace(status.Body) != aclNotFound)
}

// disabledACLs says whether a refusal is Consul's answer to every call about ACLs when it has none.
func disabledACLs(err error) bool {
	refused, ok := errors.AsType[*denied](err)
	return ok && strings.Contains(refused.reason, "ACL support disabled")
}

// consulError says which privilege CONSUL_HTTP_TOKEN lacks when Consul refuses.
func consulError(err error, needs string) error {
	status, ok := errors.AsType[api.StatusError](err)
	if !ok || status.Code != 401 && status.Code != 403 {
		return err
	}
	reason := strings.TrimSpace(status.Body)
	if reason == aclNotFound {
		needs = "a CONSUL_HTTP_TOKEN that this datacenter knows, with " + needs
	} else {
		needs += " for CONSUL_HTTP_TOKEN"
	}
	return &denied{by: "Consul", needs: needs, reason: reason}
}
