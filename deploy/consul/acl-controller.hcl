# What the controller's CONSUL_HTTP_TOKEN needs.
acl = "write" # tokens and policies

# --ha: the leader lock, a session on whichever server answers.
key_prefix "meshtask/acl-controller/" { policy = "write" }
session_prefix "" { policy = "write" }

# --rotate-after: which token the tasks of a service say they use.
service_prefix "" { policy = "read" }
node_prefix "" { policy = "read" }

# --agentless: the cluster's node, named by its ARN, and those of tasks that have one each.
# Where --cluster is a name, a line for the node of that name as well.
node_prefix "arn:" { policy = "write" }
node_prefix "ecs-" { policy = "write" }

# --iam-role-path: whether this is the primary datacenter.
agent_prefix "" { policy = "read" }

# --partitions-enabled (Enterprise): namespaces of tasks are created.
# operator = "write"
