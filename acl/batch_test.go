package acl

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// Where the lists of ECS take longer than the interval, an audit still takes a few sweeps: not
// the more of them, the more services there are.
func TestAnAuditKeepsUpWithSlowSweeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const services, rate = 200, 20.0
		m := newModel()
		for i := range services {
			name := fmt.Sprintf("svc-%d", i)
			m.setSecret("pre-"+name, "{}")
			m.run(name)
		}
		m.gate = func(call string, _ int) error {
			if call == "ListTasks" {
				time.Sleep(40 * time.Second)
			}
			return nil
		}
		c := m.controller(t, func(cfg *Config) { cfg.Interval, cfg.Rates.Read = time.Second, rate })
		st := newMemory()
		sweeps := 0
		for ; sweeps == 0 || len(st.audit) > 0; sweeps++ {
			if err := c.sweep(t.Context(), st); err != nil {
				t.Fatal(err)
			}
			if sweeps == 10 {
				t.Fatalf("%d of %d services are still to be looked at after 10 sweeps of 40 s", len(st.audit), services)
			}
		}
		t.Logf("%d sweeps", sweeps)
	})
}
