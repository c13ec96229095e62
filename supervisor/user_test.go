package supervisor

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseUser(t *testing.T) {
	dir := t.TempDir()
	passwd, group := filepath.Join(dir, "passwd"), filepath.Join(dir, "group")
	files := map[string]string{
		passwd: "root:x:0:0:root:/root:/bin/sh\n# a comment\nbroken:line\n+nis\nweb:x:101:102:Web:/srv/web:/bin/false\nbad:x:minus:1::/:\n2000:x:7:8::/odd:\n",
		group:  "root:x:0:\nwww:x:102:\nlogs:x:300:root,web\nadm:x:301:web\nother:x:302:webby\nown:x:102:web\n",
	}
	for name, text := range files {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for spec, want := range map[string]*User{
		"root":         {Name: "root", Home: "/root", Groups: []uint32{300}},
		"web":          {Name: "web", Home: "/srv/web", UID: 101, GID: 102, Groups: []uint32{300, 301}},
		"101":          {Name: "web", Home: "/srv/web", UID: 101, GID: 102, Groups: []uint32{300, 301}},
		"web:logs":     {Name: "web", Home: "/srv/web", UID: 101, GID: 300},
		"web:55":       {Name: "web", Home: "/srv/web", UID: 101, GID: 55},
		"101:0":        {Name: "web", Home: "/srv/web", UID: 101},
		"999":          {UID: 999},
		"999:998":      {UID: 999, GID: 998},
		"999:logs":     {UID: 999, GID: 300},
		"2000":         {Name: "2000", Home: "/odd", UID: 7, GID: 8},
		"nobody":       nil,
		"":             nil,
		":":            nil,
		"web:":         nil,
		":102":         nil,
		"web:nope":     nil,
		"web:1:2":      nil,
		"-1":           nil,
		"bad":          nil,
		"broken":       nil,
		"999999999999": nil,
	} {
		got, err := parseUser(spec, passwd, group)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", spec, diff)
		}
		if want != nil && err != nil {
			t.Errorf("%q: %v", spec, err)
		}
		if want == nil && (err == nil || !strings.Contains(err.Error(), "uid:gid") || !strings.Contains(err.Error(), fmt.Sprintf("%q", spec))) {
			t.Errorf("%q: the error must name it and the valid forms: %v", spec, err)
		}
	}
	if _, err := parseUser("1", filepath.Join(dir, "none"), filepath.Join(dir, "none")); err != nil {
		t.Errorf("an image without /etc/passwd: %v", err)
	}
}

func TestAChildRunsAsItsUser(t *testing.T) {
	s := start(t)
	spec := Spec{Name: "id", Argv: []string{"/bin/sh", "-c", "id -u; id -g; id -G"}, Env: []string{"PATH=/usr/bin:/bin"}}
	if os.Geteuid() != 0 {
		// Who is not root may be itself, and nobody else.
		spec.User = &User{UID: uint32(os.Geteuid()), GID: uint32(os.Getegid())}
		if got := outputOf(t, s, spec); !strings.HasPrefix(got, fmt.Sprintf("%d\n%d\n", os.Geteuid(), os.Getegid())) {
			t.Errorf("got %q", got)
		}
		spec.User = &User{Name: "someone", UID: 12345, GID: 12346}
		if _, err := s.Start(spec); err == nil || !strings.Contains(err.Error(), "cannot become user someone") {
			t.Errorf("got %v", err)
		}
		return
	}
	for _, user := range []*User{
		{UID: 12345, GID: 12346, Groups: []uint32{12347, 12348}},
		{UID: 12345},
		{UID: 0, GID: 12346},
	} {
		spec.User = user
		groups := strings.Trim(fmt.Sprint(append([]uint32{user.GID}, user.Groups...)), "[]")
		if got, want := outputOf(t, s, spec), fmt.Sprintf("%d\n%d\n%s\n", user.UID, user.GID, groups); got != want {
			t.Errorf("%v: got %q, want %q", user, got, want)
		}
	}
}
