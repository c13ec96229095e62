package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"

	"meshtask/internal/testbed/consulfake"
	"meshtask/internal/testbed/envoyfake"
	"meshtask/internal/testbed/eventually"
	"meshtask/internal/testbed/fits"
)

// The test binary is meshtask itself, and the fakes of consul and envoy: a script sees them on
// PATH, and says by FAKE_CONSUL and FAKE_ENVOY what they do (see the fakes' Main).
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"meshtask": main,
		"consul":   func() { os.Exit(consulfake.Main(cmp.Or(os.Getenv("FAKE_CONSUL"), "serve running joined"))) },
		"envoy":    func() { os.Exit(envoyfake.Main(os.Getenv("FAKE_ENVOY") + " listen=" + os.Getenv("FAKE_LISTEN"))) },
	})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			e.Setenv("GORACE", "atexit_sleep_ms=0")
			e.Setenv("MESHTASK_DIR", "")
			return ownAddress(e)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"signal": signalBackground,
			"await":  await,
			"awaits": awaits,
			"crowd":  crowd,
			"drop":   drop,
			"fits":   fitsSchema,
		},
	})
}

// ownAddress gives a script $ADDR, in its commands and its files: a loopback address that
// no other script has, nor one of another run.
func ownAddress(e *testscript.Env) error {
	address := fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(6), rand.IntN(256), 2+rand.IntN(250))
	e.Setenv("ADDR", address)
	files, err := filepath.Glob(filepath.Join(e.WorkDir, "*.json"))
	for _, name := range files {
		text, rerr := os.ReadFile(name)
		err = errors.Join(err, rerr, os.WriteFile(name, bytes.ReplaceAll(text, []byte("$ADDR"), []byte(address)), 0o644))
	}
	return err
}

// signalBackground is `signal NAME`: to the latest background command.
func signalBackground(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: signal NAME")
	}
	cmds := ts.BackgroundCmds()
	if len(cmds) == 0 {
		ts.Fatalf("nothing runs in the background")
	}
	ts.Check(cmds[len(cmds)-1].Process.Signal(syscall.Signal(unix.SignalNum("SIG" + args[0]))))
}

// crowd is `crowd ADDR N`: connections that ask for a lease and say nothing more, until
// the script ends.
func crowd(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: crowd ADDR N")
	}
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	for range n {
		c := upgrade(ts, args[0])
		ts.Defer(func() { _ = c.Close() })
	}
}

// drop is `drop ADDR NAME`: a lease that is taken in this name, and lost.
func drop(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: drop ADDR NAME")
	}
	c := upgrade(ts, args[0])
	defer c.Close()
	_, err := fmt.Fprintf(c, "{\"say\":\"hello\",\"name\":%q}\n", args[1])
	ts.Check(err)
	ts.Check(c.SetReadDeadline(time.Now().Add(eventually.Patience)))
	for said, buf := "", make([]byte, 4096); !strings.Contains(said, "say"); {
		n, err := c.Read(buf)
		ts.Check(err)
		said += string(buf[:n])
	}
}

// upgrade dials a mesh container and asks for a lease.
func upgrade(ts *testscript.TestScript, addr string) net.Conn {
	c, err := net.Dial("tcp", addr)
	ts.Check(err)
	_, err = fmt.Fprintf(c, "GET /lease HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: meshtask-lease/1\r\n\r\n", addr)
	ts.Check(err)
	return c
}

// await is `await FILE TEXT`: until the file holds the text.
func await(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: await FILE TEXT")
	}
	var b []byte
	var err error
	if !eventually.Within(eventually.Patience, func() bool {
		b, err = os.ReadFile(ts.MkAbs(args[0]))
		return err == nil && strings.Contains(string(b), args[1])
	}) {
		ts.Fatalf("%s never held %q: %v, %s", args[0], args[1], err, b)
	}
}

// fitsSchema is `fits SCHEMA FILE`: the file's lines are as that schema has them.
func fitsSchema(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: fits SCHEMA FILE")
	}
	ts.Check(fits.Schema(args[0], []byte(ts.ReadFile(args[1]))))
}

// awaits is `awaits DIR TEXT`: until `meshtask why` says so of the task in DIR.
func awaits(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: awaits DIR TEXT")
	}
	eventually.True(ts, fmt.Sprintf("why says %q", args[1]), func() bool {
		ts.Check(ts.Exec("meshtask", "why", "--dir", args[0]))
		return strings.Contains(ts.ReadFile("stdout"), args[1])
	})
}
