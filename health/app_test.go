package health

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"meshtask/internal/event"
)

// The app's own health is told once at each change, in order, whatever Envoy is, and not
// once the stop has begun.
func TestTheAppsHealthIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &puppet{name: "app", says: make(chan State)}
		l := begin(t, func(_ *life, cfg *Config) {
			cfg.Checks[0].Origin, cfg.Probe = FromProbe, p
		})
		<-l.ready
		l.s.AppUp()
		for _, s := range []State{{Passing, "fine"}, {Passing, "fine"}, {Critical, "ill"}, {Passing, "well"}} {
			p.says <- s
			synctest.Wait()
		}
		l.s.EnvoyUp()
		l.s.EnvoyDown()
		l.s.AppDown()
		synctest.Wait()
		l.s.AppUp()
		synctest.Wait()
		p.says <- State{Passing, "fine"}
		synctest.Wait()
		if _, err := l.down(); err != nil {
			t.Error(err)
		}
		l.s.AppDown()
		time.Sleep(time.Second)
		well, ill := event.AppHealthy{Check: true}, func(reason string) event.Event { return event.AppUnhealthy{Reason: reason} }
		sick := event.AppUnhealthy{Reason: "ill", Check: true}
		want := []event.Event{ill(reasonNoWord), well, sick, well, ill(reasonApp), ill(reasonNoWord), well}
		if !slices.Equal(l.app, want) {
			t.Errorf("reported\n%v, want\n%v", l.app, want)
		}
	})
}
