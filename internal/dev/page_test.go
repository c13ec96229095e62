package dev

import (
	"net"
	"strings"
	"testing"
)

// The page is at the task's address and the usual port, unless that cannot be; always on
// loopback; and where the configuration says, if it does.
func TestWhereThePageIs(t *testing.T) {
	const address = "127.77.99.1"
	usual := join(address, pagePort)
	place := func(address string, needed ...int) string {
		t.Helper()
		at, err := pagePlace(address, needed)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	if at := place(address, 8080); at != usual {
		t.Errorf("at %s, want %s", at, usual)
	}
	if at := place(address, pagePort); !strings.HasPrefix(at, address+":") || at == usual {
		t.Errorf("at %s, where the task itself needs the port", at)
	}
	l, err := net.Listen("tcp", usual)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if at := place(address); !strings.HasPrefix(at, address+":") || at == usual {
		t.Errorf("at %s, which is taken", at)
	}
	if at := place("10.0.3.7"); !strings.HasPrefix(at, "127.0.0.1:") {
		t.Errorf("at %s, which is beyond loopback", at)
	}
	for given, want := range map[string]string{`{"admin":{"listen":"off"}}`: `"listen": "off"`, `{}`: `"listen": "` + usual + `"`} {
		doc := read(t, given)
		task := doc.Task()
		if task.Page == "" {
			task.Page = usual
		}
		if text, err := doc.Complete(task); err != nil || !strings.Contains(string(text), want) {
			t.Errorf("%s becomes %s, %v", given, text, err)
		}
	}
}
