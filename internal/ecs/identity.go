package ecs

// Identity is who this task is.
type Identity struct {
	ID        string // last segment of the task ARN
	Family    string // of the task definition
	Cluster   string // ARN or short name, as the endpoint says
	Address   string // IP address of the task
	ARN       string // of the task
	Container string // name of the own container; empty when there is none
}
