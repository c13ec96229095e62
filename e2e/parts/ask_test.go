package parts

import (
	"net"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"meshtask/internal/ask"
)

// The health protocol as gRPC's own server speaks it.
func TestAskGRPC(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv, state := grpc.NewServer(), health.NewServer()
	grpc_health_v1.RegisterHealthServer(srv, state)
	go srv.Serve(l) //nolint:errcheck // it ends with Stop
	defer srv.Stop()
	state.SetServingStatus("cart", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	for target, want := range map[string]string{"": "", "/cart": `of "cart" is NOT_SERVING`, "/stranger": `does not know the service "stranger"`} {
		err := ask.GRPC(l.Addr().String() + target)(t.Context())
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v, want %q", target, err, want)
		}
	}
	state.SetServingStatus("cart", grpc_health_v1.HealthCheckResponse_SERVING)
	if err := ask.GRPC(l.Addr().String() + "/cart")(t.Context()); err != nil {
		t.Error(err)
	}
}
