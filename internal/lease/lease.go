// Package lease joins the containers of one task that has no dependsOn: an app
// container holds a lease at the mesh container while its app lives. The lease
// is one TCP connection on the task's loopback: it says when the app may start
// (T2) and when it is to stop (inbound is drained), and carries its exit code
// back. Losing it ends nothing.
//
// The package knows the wire and who holds what; it starts and stops nothing.
package lease

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"time"
)

// Path is where the admin API serves leases.
const Path = "/lease"

// protocol is the HTTP Upgrade that a lease begins with.
const protocol = "meshtask-lease/1"

// message is one line on the wire, either way.
type message struct {
	Say    string `json:"say"`              // hello, up, stop, ended
	Name   string `json:"name,omitempty"`   // hello: of the container
	Signal int    `json:"signal,omitempty"` // stop: for the app
	Millis int64  `json:"millis,omitempty"` // stop: until the app must be gone
	Code   int    `json:"code"`             // ended: the app's exit code
}

// writeLimit bounds one message; a peer that does not read is as good as gone.
const writeLimit = 2 * time.Second

func send(c net.Conn, m message) error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if err := c.SetWriteDeadline(time.Now().Add(writeLimit)); err != nil {
		return err
	}
	_, err = c.Write(append(text, '\n'))
	return err
}

func receive(r *bufio.Reader) (message, error) {
	var m message
	line, err := r.ReadSlice('\n') // a line that the buffer cannot hold is none of ours
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(line, &m); err != nil {
		return m, fmt.Errorf("not a lease: %w", err)
	}
	return m, nil
}
