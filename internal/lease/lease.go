// Package lease joins the containers of one task that has no dependsOn: an app
// container holds a lease at the mesh container while its app lives. The lease
// is one TCP connection on the task's loopback: it says when the app may start
// (T2) and when it is to stop (inbound is drained), and carries its exit code
// back. Losing it ends nothing. docs/lease.md has the protocol.
//
// The package knows the wire, who may hold a lease and who does; it starts and
// stops no process, and does not know what a lost lease means for a check.
package lease

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"time"
)

// Path is where the admin API serves leases.
const Path = "/lease"

// protocol is the HTTP Upgrade that a lease begins with: a name and a version.
const protocol = "meshtask-lease/1"

// protocols are those that both sides speak, the best one first. A new version stands before the
// one before it, which stays: the containers of a task are not always of one build.
func protocols() []string { return []string{protocol} }

// agreed is the best protocol of those that are spoken that a peer offers, in one header or
// several; "" is none.
func agreed(spoken, offers []string) string {
	for _, p := range spoken {
		for offer := range strings.SplitSeq(strings.Join(offers, ","), ",") {
			if strings.EqualFold(strings.TrimSpace(offer), p) {
				return p
			}
		}
	}
	return ""
}

// What a message says. A receiver ignores what it does not know.
const (
	sayHello   = "hello"   // app: I am the container Name, and ask for a lease
	sayUp      = "up"      // mesh: T2 is reached, the app may start
	sayStop    = "stop"    // mesh: inbound is drained, end the app with Signal within Millis
	sayEnded   = "ended"   // app: the app has ended with Code, the lease is given back
	sayRefused = "refused" // mesh: no lease, because of Why
	sayPing    = "ping"    // mesh: somebody else asks for a lease in your name
	sayPong    = "pong"    // app: I am alive
)

// message is one line on the wire, either way.
type message struct {
	Say    string `json:"say"`
	Name   string `json:"name,omitempty"`
	Signal int    `json:"signal,omitempty"`
	Millis int64  `json:"millis,omitempty"`
	Code   *int   `json:"code,omitempty"`
	Why    string `json:"why,omitempty"`
}

const (
	// writeLimit bounds one message; a peer that does not read is as good as gone.
	writeLimit = 2 * time.Second
	// helloLimit is the time from the upgrade to hello.
	helloLimit = 2 * time.Second
	// pongLimit is the time that a holder has to show that it is alive.
	pongLimit = 2 * time.Second
	// lineLimit is the longest message, with its newline.
	lineLimit = 4096
	// strangeLimit is how many messages that it does not know a side reads in one lease.
	strangeLimit = 32
	// maxLeases is more than the containers of a task (ECS allows 10).
	maxLeases = 64
	// maxName is ECS's limit of a container's name.
	maxName = 255
)

// validName says whether name could be that of a container.
func validName(name string) bool {
	return name != "" && len(name) <= maxName && !strings.ContainsFunc(name, func(r rune) bool {
		return r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	})
}

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

// receive reads one message of at most lineLimit bytes. r's buffer must not be larger.
func receive(r *bufio.Reader) (message, error) {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return message{}, err
	}
	return parse(line)
}

func parse(line []byte) (message, error) {
	var m message
	if err := json.Unmarshal(line, &m); err != nil {
		return message{}, fmt.Errorf("not a message of %s: %w", protocol, err)
	}
	return m, nil
}

// listen hands known messages to take until the connection ends, take returns
// false, or the peer has said too much that is unknown.
func listen(r *bufio.Reader, known func(say string) bool, take func(message) bool) {
	for strange := 0; strange < strangeLimit; {
		m, err := receive(r)
		switch {
		case err != nil:
			return
		case !known(m.Say):
			strange++
		case !take(m):
			return
		}
	}
}

// poke leaves one pending hint.
func poke(hint chan struct{}) {
	select {
	case hint <- struct{}{}:
	default: // one is pending
	}
}
