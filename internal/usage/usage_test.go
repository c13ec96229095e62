package usage

import (
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// A group is counted with all that is in it, and ourselves alone.
func TestRead(t *testing.T) {
	// The shell and its child are a group; each says by a line that it runs.
	cmd := exec.Command("sh", "-c", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; sh -c 'echo; read x' & echo; read x")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	cmd.Stdout = out
	stdin, err := cmd.StdinPipe() // never written to; both wait at it, the background one at /dev/null's end
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	out.Close()
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
	})
	if _, err := in.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	var r Reader
	groups := []Group{{Name: "meshtask", Self: true}, {Name: "gone", PID: 1 << 30}, {Name: "app", PID: cmd.Process.Pid}}
	got, err := r.Read(groups)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[0].Name != "meshtask" || got[1].Name != "app" {
		t.Fatalf("%+v", got)
	}
	if us := got[0]; us.Processes != 1 || us.Memory < 1<<20 || us.Files < 3 {
		t.Errorf("ourselves: %+v", us)
	}
	if app := got[1]; app.Processes < 1 || app.Memory < 100<<10 || app.Files < 1 {
		t.Errorf("the child's group: %+v", app)
	}
}

// What a process has used does not fall when one of its group ends unwaited.
func TestCPUNeverFalls(t *testing.T) {
	self := Group{Name: "meshtask", Self: true}
	r := Reader{most: map[Group]float64{self: 1e6}}
	got, err := r.Read([]Group{self})
	if err != nil || len(got) != 1 || got[0].CPU != 1e6 {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err = r.Read([]Group{{Name: "app", PID: os.Getpid(), Self: true}}); err != nil || got[0].CPU >= 1e6 {
		t.Errorf("another group begins anew: %+v, %v", got, err)
	}
}
