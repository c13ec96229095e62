//go:build long

package e2e

import (
	"testing"
	"time"
)

// The same as in every test run, at full length: go test -tags long -timeout 30m.

func TestHealthLatchThousand(t *testing.T) { healthLatch(t, 1000) }

// TestHealthTenMinutes: the default TTL, ten minutes of steady state, no raft write.
func TestHealthTenMinutes(t *testing.T) { healthSteady(t, 30*time.Second, 60) }
