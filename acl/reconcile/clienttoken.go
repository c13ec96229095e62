package reconcile

import (
	"fmt"
	"slices"
	"strings"
)

// The client agents' token is described alike in every cluster, and several may share a
// Consul. So the one that a rotation replaces is marked as this cluster's before it is
// replaced: what is marked is ours to delete, and nothing else is.
const lineReplaced = "replaced"

// replacedDescription marks a token that this cluster has replaced.
func (n Naming) replacedDescription() string {
	text := clientTokenDescription + "\n" + lineCluster + n.Cluster.Raw
	if n.Partition != "" {
		text += "\n" + linePartition + n.Partition
	}
	return text + "\n" + lineReplaced
}

// replacedClient says whether a description is that of a token that this cluster has replaced.
func (n Naming) replacedClient(text string) bool {
	end := "\n" + lineReplaced
	if n.Partition != "" {
		end = "\n" + linePartition + n.Partition + end
	}
	rest, ours := strings.CutPrefix(text, clientTokenDescription+"\n"+lineCluster)
	cluster, marked := strings.CutSuffix(rest, end)
	return ours && marked && n.Cluster.Is(cluster)
}

// Replaced says whether there are tokens of the client agents that this cluster has replaced.
func (v *View) Replaced() bool {
	return slices.ContainsFunc(v.Tokens, func(t Token) bool { return v.Naming.replacedClient(t.Description) })
}

// replaced are the tokens with the client agents' policy that this cluster has replaced,
// but for the one that the secret still names.
func (p *planner) replaced(policy Link, named string) (old []string) {
	for _, t := range p.Tokens {
		linked := slices.ContainsFunc(t.Policies, func(l Link) bool { return l.ID == policy.ID && l.ID != "" })
		if linked && p.Naming.replacedClient(t.Description) && t.AccessorID != named {
			old = append(old, t.AccessorID)
		}
	}
	return old
}

// retireClient deletes replaced tokens of the client agents, once every live task has said
// that its agent has another one and no task of another cluster says that it has one of them.
func (p *planner) retireClient(old []string) []Op {
	keep := func(task, what string) []Op {
		p.find(ClientSubject, fmt.Sprintf("the replaced token %s is kept: task %s %s", old[0], task, what), false)
		return nil
	}
	for _, id := range p.Unserved {
		return keep(id, "gets no token here and may use it")
	}
	for _, s := range Sorted(p.Live) {
		uses := map[string]string{}
		for _, r := range p.Reports[s] {
			if slices.Contains(old, r.AgentAccessorID) {
				return keep(r.TaskID, "reports that its agent uses it")
			}
			uses[r.TaskID] = r.AgentAccessorID
		}
		for _, arn := range p.Live[s] {
			if uses[TaskID(arn)] == "" {
				return keep(TaskID(arn), "does not report which token its agent uses")
			}
		}
	}
	var ops []Op
	for _, accessor := range old {
		ops = append(ops, Op{Kind: DeleteToken, Token: Token{AccessorID: accessor}})
	}
	return ops
}
