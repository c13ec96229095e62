package lease

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"meshtask/internal/ecs"
	"meshtask/internal/event"
)

// FuzzMesh says anything to the mesh container's side after the upgrade.
func FuzzMesh(f *testing.F) {
	f.Add([]byte("{\"say\":\"hello\",\"name\":\"web\"}\n{\"say\":\"pong\"}\n{\"say\":\"ended\",\"code\":7}\n"))
	f.Add([]byte("{\"say\":\"hello\",\"name\":\"evil\"}\n"))
	f.Add([]byte("{\"say\":\"hello\",\"name\":\"\\u001b[2J\"}\n"))
	f.Add([]byte("{\"say\":\"ended\",\"code\":1e99}\n\x00"))
	f.Add([]byte(strings.Repeat("{\"say\":\"news\"}\n", 40)))
	f.Fuzz(func(t *testing.T, said []byte) {
		steps := 0
		k := NewKeeper(KeeperConfig{Report: func(e event.Event) {
			steps++
			of := struct{ Name string }{}
			_, detail, data := event.Words(e)
			if err := json.Unmarshal(data, &of); err != nil {
				t.Error(err)
			}
			if of.Name != "" && !validName(of.Name) || of.Name != "web" && detail != "lease-refused" {
				t.Errorf("%s is noted of %q", detail, of.Name)
			}
		}, Task: &Roster{Containers: func(context.Context) ([]ecs.Container, error) {
			return []ecs.Container{{Name: "web", Type: "NORMAL"}}, nil
		}}})
		ours, theirs := net.Pipe()
		done := make(chan struct{})
		go func() {
			defer close(done)
			k.serve(context.Background(), theirs, bufio.NewReaderSize(theirs, lineLimit))
		}()
		go func() { // what it answers are messages
			for r := bufio.NewScanner(ours); r.Scan(); {
				if _, err := parse(r.Bytes()); err != nil {
					t.Errorf("it answers %q", r.Text())
				}
			}
		}()
		_, _ = ours.Write(said) // it may have had enough
		_ = ours.Close()
		<-done
		if held, lost := k.Held(), k.Lost(); len(held) > 0 || len(lost) > 1 || steps > 2 {
			t.Errorf("held %v, lost %v, %d steps", held, lost, steps)
		}
	})
}

// FuzzApp says anything to the app container's side, whose app gets no signal that
// stops no app.
func FuzzApp(f *testing.F) {
	const upgraded = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: " + protocol + "\r\n\r\n"
	f.Add([]byte(upgraded + "{\"say\":\"up\"}\n{\"say\":\"ping\"}\n{\"say\":\"stop\",\"signal\":15,\"millis\":100}\n"))
	f.Add([]byte(upgraded + "{\"say\":\"stop\",\"signal\":9}\n{\"say\":\"stop\",\"signal\":19}\n"))
	f.Add([]byte(upgraded + "{\"say\":\"refused\",\"why\":\"\\u0000\"}\n"))
	f.Add([]byte("HTTP/1.1 426 Upgrade Required\r\nUpgrade: meshtask-lease/9\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n"))
	f.Fuzz(func(t *testing.T, said []byte) {
		c, mesh := net.Pipe()
		defer c.Close()
		go func() {
			_, _ = io.Copy(io.Discard, mesh)
		}()
		go func() {
			_, _ = mesh.Write(said) // it may have had enough
			_ = mesh.Close()
		}()
		stops := 0
		h := &Holder{Addr: "mesh", Name: func(context.Context) string { return "web" }, Code: func() int { return 0 },
			Stop: func(s syscall.Signal, _ time.Duration) {
				if stops++; stops > 1 || s == syscall.SIGKILL || s == syscall.SIGSTOP || s <= 0 || s > 64 {
					t.Errorf("stop %d with signal %d", stops, s)
				}
			}}
		r, err := h.take(c, "web")
		if err == nil {
			err = h.converse(t.Context(), c, r, func() {}, nil, nil)
		}
		if err == nil {
			t.Error("a lease that has ended is held")
		}
		if h.Held() {
			t.Error("held")
		}
	})
}

// FuzzMessage: what is read and written again is the same.
func FuzzMessage(f *testing.F) {
	f.Add([]byte(`{"say":"stop","signal":15,"millis":24300}`))
	f.Add([]byte(`{"SAY":"ended","code":null,"more":[{}]}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		m, err := parse(line)
		if err != nil {
			return
		}
		text, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		again, err := parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if twice, err := json.Marshal(again); err != nil || string(twice) != string(text) {
			t.Errorf("%s is read as %s", text, twice)
		}
	})
}
