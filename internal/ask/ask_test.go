package ask

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"meshtask/internal/event"
)

// grpcServer answers the health call with an HTTP status, a message and a gRPC status.
func grpcServer(t *testing.T, asked *string, code int, message, status string) string {
	t.Helper()
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		*asked = fmt.Sprintf("%s %s %s %s %s %q", r.Method, r.URL.Path, r.Proto, r.Header.Get("Content-Type"), r.Header.Get("Te"), body)
		w.Header().Set("Content-Type", "application/grpc")
		w.WriteHeader(code)
		_, _ = io.WriteString(w, message) // a client that has gone is the test's own end
		if status != "" {
			w.Header().Set(http.TrailerPrefix+"Grpc-Status", status)
			w.Header().Set(http.TrailerPrefix+"Grpc-Message", "not%20now")
		}
	}))
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	srv.Config.Protocols = &protocols
	srv.Start()
	t.Cleanup(srv.Close)
	return srv.Listener.Addr().String()
}

// A URL says which question is asked.
func TestOf(t *testing.T) {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/health" {
			w.WriteHeader(http.StatusTeapot)
		}
	}))
	defer web.Close()
	addr := web.Listener.Addr().String()
	for target, want := range map[string]string{ // in the error; "" is a yes
		"http://" + addr + "/health": "", "HTTP://" + addr + "/health": "", "tcp://" + addr: "",
		// an HTTP/1 server may close the connection before it has read all
		"http://" + addr + "/": "status 418", "grpc://" + addr: "/grpc.health.v1.Health/Check\": ", "https://" + addr + "/": "gave HTTP response to HTTPS client",
	} {
		q, err := Of(target)
		if err == nil {
			err = q(t.Context())
		}
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", target, err, want)
		}
	}
	for _, target := range []string{"", addr, "http://", "http:///health", "tcp://", "tcp://127.0.0.1", "tcp://:80", "tcp://127.0.0.1:0", "tcp://127.0.0.1:http", "grpc:///Cart", "udp://" + addr, "http://[::1"} {
		if _, err := Of(target); err == nil || !strings.Contains(err.Error(), "want http://") {
			t.Errorf("%q is a question: %v", target, err)
		}
	}
}

func TestGRPC(t *testing.T) {
	const serving = "\x00\x00\x00\x00\x02\x08\x01"
	for name, tt := range map[string]struct {
		code            int
		message, status string
		want            string // in the error; "" is a yes
	}{
		"serving":               {200, serving, "0", ""},
		"not serving":           {200, "\x00\x00\x00\x00\x02\x08\x02", "0", `the gRPC health of "shop.Cart" is NOT_SERVING`},
		"unknown, not written":  {200, "\x00\x00\x00\x00\x00", "0", "is UNKNOWN"},
		"a status of later":     {200, "\x00\x00\x00\x00\x02\x08\x09", "0", "is 9"},
		"with a later field":    {200, "\x00\x00\x00\x00\x06\x12\x02hi\x08\x01", "0", ""},
		"a fixed field":         {200, "\x00\x00\x00\x00\x0b\x19\xff\xff\xff\xff\xff\xff\xff\xff\x08\x01", "0", ""},
		"service unknown":       {200, "", "5", `does not know the service "shop.Cart"`},
		"no health service":     {200, "", "12", "does not have grpc.health.v1.Health"},
		"another status":        {200, "", "14", "gRPC status 14: not now"},
		"no gRPC":               {200, "hello", "", "no gRPC server"},
		"an HTTP error":         {404, "", "", "no gRPC server: HTTP status 404"},
		"cut short":             {200, serving[:6], "0", "cut short"},
		"a key alone":           {200, "\x00\x00\x00\x00\x01\x08", "0", "cut short"},
		"a field without end":   {200, "\x00\x00\x00\x00\x0c\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x08", "0", "cut short"},
		"a length beyond":       {200, "\xff\xff\xff\xff\xff\x08\x01", "0", "cut short"},
		"compressed":            {200, "\x01" + serving[1:], "0", "compressed"},
		"more than one can use": {200, "\x00\x00\x01\x00\x00" + strings.Repeat("\x18\x01", 1<<15), "0", "no grpc-status in its answer"},
	} {
		t.Run(name, func(t *testing.T) {
			var asked string
			addr := grpcServer(t, &asked, tt.code, tt.message, tt.status)
			err := GRPC(addr + "/shop.Cart")(t.Context())
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if want := `POST /grpc.health.v1.Health/Check HTTP/2.0 application/grpc trailers "\x00\x00\x00\x00\v\n\tshop.Cart"`; asked != want {
				t.Errorf("asked %s\nwant  %s", asked, want)
			}
		})
	}
	var asked string
	if err := GRPC(grpcServer(t, &asked, 200, serving, "0"))(t.Context()); err != nil || !strings.HasSuffix(asked, `"\x00\x00\x00\x00\x00"`) {
		t.Errorf("of the whole server: %v, asked %s", err, asked)
	}
}

// Nobody there is one cause, whatever the question.
func TestNobodyListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	for name, q := range map[string]Question{"tcp": TCP(addr), "http": HTTP("http://" + addr), "grpc": GRPC(addr)} {
		c := event.CauseOf(q(t.Context()))
		if c == nil || c.Code != event.AppNotReadyTCP || !strings.Contains(c.Facts["address"], addr) {
			t.Errorf("%s: %+v", name, c)
		}
	}
}

// A question ends with its context, though the app accepts and says nothing.
func TestASilentApp(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for name, q := range map[string]Question{"http": HTTP("http://" + l.Addr().String()), "grpc": GRPC(l.Addr().String())} {
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			if conn, err := l.Accept(); err == nil {
				defer conn.Close()
				_, _ = conn.Read(make([]byte, 1)) // it has asked
				cancel()
				_, _ = io.Copy(io.Discard, conn) // until it goes
			}
		}()
		if err := q(ctx); err == nil {
			t.Errorf("%s: a yes of nobody", name)
		}
		cancel()
	}
}
