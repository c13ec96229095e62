package task

import (
	"strings"
	"testing"
)

// Outside of ECS nobody says how containers are: that is an error, which is no news of them.
func TestContainersWithoutAnEndpoint(t *testing.T) {
	list, err := metadata{}.Containers(t.Context())
	if err == nil || list != nil || !strings.Contains(err.Error(), "ECS_CONTAINER_METADATA_URI_V4") {
		t.Errorf("%v, %v", list, err)
	}
}
