package ecs

// Task is what /task says, as far as meshtask wants to know. Unknown keys are
// accepted: AWS adds them.
type Task struct {
	Cluster       string // ARN on Fargate, short name on EC2
	TaskARN       string
	Family        string
	Revision      string
	DesiredStatus string
	KnownStatus   string // the least of the containers'
	LaunchType    string // EC2, FARGATE, EXTERNAL
	Limits        Limits // of the task: vCPU and MiB
	Containers    []Container

	// AvailabilityZone is empty where the endpoint has none, as on EC2 with an old agent.
	AvailabilityZone string

	ExecutionStoppedAt string // when DesiredStatus became STOPPED; empty: it has not
	StopCode           string // as DescribeTasks has it; not documented here, and empty so far
	StoppedReason      string // likewise
}

// Container is one container of the task.
type Container struct {
	DockerID      string `json:"DockerId"` // empty: not created yet
	Name          string
	Image         string
	Type          string // NORMAL, or AWS's own such as CNI_PAUSE
	DesiredStatus string // RUNNING, STOPPED: turns STOPPED before the stop signal is sent
	KnownStatus   string // … CREATED, RUNNING, STOPPED
	ExitCode      *int   // nil: it has not ended
	FinishedAt    string // empty: likewise
	RestartCount  int
	Limits        Limits // of the container: CPU shares and MiB
	Networks      []Network
	Health        *Health // nil: the task definition has no health check for it
}

// Limits are resource limits; 0 is none.
type Limits struct {
	CPU    float64
	Memory float64
}

// Network is one network of a container.
type Network struct {
	NetworkMode   string
	IPv4Addresses []string
	IPv6Addresses []string
}

// Health is ECS's word about a container. An empty Status means that there is
// a health check without a result yet, which the API calls UNKNOWN.
type Health struct {
	Status      string `json:"status"` // HEALTHY, UNHEALTHY, UNKNOWN or empty
	StatusSince string `json:"statusSince"`
	ExitCode    int    `json:"exitCode"` // stays after recovery: only Status counts
	Output      string `json:"output"`
}

// Address is the container's first IPv4 address, else its first IPv6 one, else
// empty (network mode host has none).
func (c Container) Address() string {
	for _, n := range c.Networks {
		if len(n.IPv4Addresses) > 0 {
			return n.IPv4Addresses[0]
		}
	}
	for _, n := range c.Networks {
		if len(n.IPv6Addresses) > 0 {
			return n.IPv6Addresses[0]
		}
	}
	return ""
}
