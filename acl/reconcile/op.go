package reconcile

import "fmt"

// Kind is what an operation does.
type Kind int

// The operations. Each may be repeated: done already, it changes nothing.
const (
	CreatePartition Kind = iota
	CreateNamespace
	CreateSecret // an empty one
	FillSecret   // with Creds; without: with IDs made now
	ClearSecret
	CreatePolicy
	PutToken  // create it with the IDs of the chain's secret, or give it the policies it lacks
	MarkToken // give it another description
	DeleteToken
	DeletePolicy
	PutRole       // create it, or write it where it has an ID
	PutAuthMethod // create it, or write it where it exists
	CreateBindingRule
	PutNode // make it, or give it the meta that it lacks
	DeregisterService
	DeregisterNode
	UpdatePolicy // its rules
)

// String is the kind in words.
func (k Kind) String() string {
	return [...]string{"create partition", "create namespace", "create secret", "fill secret", "clear secret", "create policy", "put token", "mark token", "delete token", "delete policy",
		"put role", "put auth method", "create binding rule", "put node", "deregister service", "deregister node", "update policy"}[k]
}

// Op is one write. Which fields hold, its Kind says.
type Op struct {
	Kind     Kind
	Secret   string // name or ARN
	Replaces string // version of the secret that is replaced: another writer makes the write fail
	Creds    Creds
	Policy   Policy
	Token    Token
	Role     Role
	Method   AuthMethod
	Rule     BindingRule
	Name     string // of a partition or namespace
	Node     Node
	Instance Instance
}

// String names what it does to what, without any secret ID.
func (o Op) String() string {
	switch o.Kind {
	case CreatePartition, CreateNamespace:
		return o.Kind.String() + " " + o.Name
	case CreateSecret:
		return "create secret " + o.Secret
	case FillSecret:
		if o.Creds.Zero() {
			return fmt.Sprintf("fill secret %s with new IDs", o.Secret)
		}
		return fmt.Sprintf("fill secret %s with the IDs of token %s", o.Secret, o.Creds.AccessorID)
	case ClearSecret:
		return "clear secret " + o.Secret
	case CreatePolicy:
		return "create policy " + o.Policy.Name
	case PutToken:
		if o.Token.AccessorID == "" {
			return fmt.Sprintf("create token with the IDs of the secret, policies %v", linkNames(o.Token.Policies))
		}
		return fmt.Sprintf("put token %s with policies %v", o.Token.AccessorID, linkNames(o.Token.Policies))
	case MarkToken:
		return fmt.Sprintf("mark token %s as replaced", o.Token.AccessorID)
	case DeleteToken:
		return "delete token " + o.Token.AccessorID
	case DeletePolicy, UpdatePolicy:
		return o.Kind.String() + " " + o.Policy.Name
	case PutRole:
		return fmt.Sprintf("put role %s with policies %v", o.Role.Name, linkNames(o.Role.Policies))
	case PutAuthMethod:
		return fmt.Sprintf("put auth method %s for %v", o.Method.Name, texts(o.Method.Config[keyPrincipals]))
	case CreateBindingRule:
		return fmt.Sprintf("create binding rule of %s: %s %s", o.Rule.Method, o.Rule.BindType, o.Rule.BindName)
	case PutNode, DeregisterNode:
		return o.Kind.String() + " " + o.Node.Name
	case DeregisterService:
		return fmt.Sprintf("deregister service %s of node %s", o.Instance.ID, o.Instance.Node)
	}
	return "unknown operation"
}

func linkNames(links []Link) []string {
	var names []string
	for _, l := range links {
		names = append(names, l.Name)
	}
	return names
}

// Object is what the operation was done to; made are the IDs that the chain has
// made.
func (o Op) Object(made Creds) string {
	switch o.Kind {
	case CreatePartition, CreateNamespace:
		return o.Name
	case CreateSecret, FillSecret, ClearSecret:
		return o.Secret
	case CreatePolicy, UpdatePolicy, DeletePolicy:
		return o.Policy.Name
	case PutRole:
		return o.Role.Name
	case PutAuthMethod:
		return o.Method.Name
	case CreateBindingRule:
		return o.Rule.Method
	case PutNode, DeregisterNode:
		return o.Node.Name
	case DeregisterService:
		return o.Instance.ID
	}
	if o.Token.AccessorID == "" {
		return made.AccessorID
	}
	return o.Token.AccessorID
}

// Chain is the operations on one service, in order. The first that fails ends
// it; what is left is found again by the next look. Chains are independent of
// each other, except that those of a Plan's Common go before all others.
type Chain struct {
	For     string  // the service, or what else the chain is for
	Service Service // zero: not for a service
	Ops     []Op
}

// Finding is something that operations cannot or must not put right.
type Finding struct {
	Subject string
	Reason  string
	Failure bool // something does not work because of it
}

// Plan is what is to be done.
type Plan struct {
	Common   []Chain
	Chains   []Chain
	Findings []Finding
}

// Empty says whether there is nothing to do.
func (p Plan) Empty() bool { return len(p.Common)+len(p.Chains) == 0 }
