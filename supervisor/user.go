package supervisor

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// User is the user that a child runs as.
type User struct {
	Name     string // "" when only the number is known
	Home     string
	UID, GID uint32
	Groups   []uint32 // supplementary
}

func (u *User) String() string {
	if u.Name != "" {
		return u.Name
	}
	return fmt.Sprintf("%d:%d", u.UID, u.GID)
}

// current says whether u is who we are already, in which case no privilege is needed.
func (u *User) current() bool {
	return int(u.UID) == os.Geteuid() && int(u.GID) == os.Getegid() && os.Geteuid() != 0
}

// ParseUser reads a user as "name", "uid", "uid:gid", "name:group" or any mixture, with
// /etc/passwd and /etc/group. A number needs no entry there; without one its group is 0,
// as Docker has it.
func ParseUser(spec string) (*User, error) {
	return parseUser(spec, "/etc/passwd", "/etc/group")
}

func parseUser(spec, passwd, group string) (*User, error) {
	name, grp, hasGroup := strings.Cut(spec, ":")
	bad := func(why string) error {
		return fmt.Errorf("user %q: %s; valid are a name of %s, a uid, or uid:gid (names of %s may stand for the gid)", spec, why, passwd, group)
	}
	if name == "" || hasGroup && grp == "" {
		return nil, bad("a part is empty")
	}
	u := &User{}
	uid, numeric := number(name)
	found := false
	for f := range records(passwd, 7) {
		if f[0] != name && !(numeric && f[2] == name) {
			continue
		}
		id, ok1 := number(f[2])
		gid, ok2 := number(f[3])
		if ok1 && ok2 {
			u.Name, u.UID, u.GID, u.Home, found = f[0], id, gid, f[5], true
			break
		}
	}
	if !found {
		if !numeric {
			return nil, bad("there is no such name")
		}
		u.UID = uid
	}
	if hasGroup {
		gid, ok := number(grp)
		for f := range records(group, 4) {
			if id, valid := number(f[2]); f[0] == grp && valid {
				gid, ok = id, true
				break
			}
		}
		if !ok {
			return nil, bad("there is no group " + grp)
		}
		u.GID = gid
		return u, nil
	}
	for f := range records(group, 4) {
		for member := range strings.SplitSeq(f[3], ",") {
			if id, ok := number(f[2]); ok && found && member == u.Name && id != u.GID {
				u.Groups = append(u.Groups, id)
			}
		}
	}
	return u, nil
}

func number(s string) (uint32, bool) {
	n, err := strconv.ParseUint(s, 10, 32)
	return uint32(n), err == nil
}

// records yields the lines of a colon-separated file that have n fields; a missing file
// has none.
func records(file string, n int) func(yield func([]string) bool) {
	return func(yield func([]string) bool) {
		text, _ := os.ReadFile(file)
		for line := range strings.SplitSeq(string(text), "\n") {
			if f := strings.Split(line, ":"); len(f) >= n && !strings.HasPrefix(line, "#") && !yield(f) {
				return
			}
		}
	}
}
