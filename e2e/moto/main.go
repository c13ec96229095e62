// Command moto holds our fakes of AWS against moto, a fake of AWS by others: the
// same calls, by the clients that meshtask ships, on both, and what comes back
// must be the same in all that meshtask relies on. moto is started here and ends
// with it. What moto itself leaves out is said at the end.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"meshtask/e2e/harness"
	"meshtask/internal/testbed/awsfake"
)

func main() {
	python := flag.String("python", ".tools/moto/bin/python", "a Python that has moto (tools/moto.sh)")
	flag.Parse()
	os.Exit(harness.Perform(os.Stdout, func(t harness.T) { compare(t, *python) }))
}

// answer is what one step gave.
type answer struct{ step, text string }

func compare(t harness.T, python string) {
	url := startMoto(t, python)
	ours, theirs := &fakes{cloud: awsfake.New(t.Cleanup), t: t}, &moto{url: url, t: t}
	a, b := play(t, ours), play(t, theirs)
	if len(a) != len(b) {
		t.Fatalf("%d answers by the fakes, %d by moto", len(a), len(b))
	}
	differ := 0
	for i := range a {
		verdict := "same"
		if a[i] != b[i] {
			verdict = "DIFFERENT"
			differ++
		}
		fmt.Printf("  %-9s  %-52s  %s\n", verdict, a[i].step, a[i].text)
		if a[i] != b[i] {
			fmt.Printf("  %9s  %-52s  %s\n", "moto", "", b[i].text)
		}
	}
	definitions(t, theirs)
	fmt.Println("not held against moto, which does not have them: pages of ListTasks, failures of DescribeTasks, refusals by IAM in the form of JSON APIs, quotas, late answers")
	if differ > 0 {
		t.Fatalf("%d of %d answers differ", differ, len(a))
	}
	fmt.Printf("%d answers compared, none differs\n", len(a))
}

// startMoto runs a moto server on an address of its own.
func startMoto(t harness.T, python string) string {
	host := harness.Address(t)
	log := harness.Start(t, "moto", []string{python, "-m", "moto.server", "-H", host, "-p", "5000"},
		[]string{"PATH=/usr/bin:/bin", "HOME=/nonexistent", "MOTO_ACCOUNT_ID=" + awsfake.Account})
	url := "http://" + host + ":5000"
	harness.Eventually(t, time.Minute, "moto answers", func() error {
		select {
		case <-log.Done():
			t.Fatalf("moto has ended: %s", log.Tail(10))
		default:
		}
		_, err := get(t, url+"/moto-api/data.json")
		return err
	})
	return url
}

// definitions registers with moto what taskdef convert makes of each of its
// shapes, and the task definitions of deploy/. Our fakes do not play that call.
func definitions(t harness.T, m *moto) {
	root := harness.Root(t)
	shapes, err := filepath.Glob(filepath.Join(root, "internal", "taskdef", "testdata", "*.txtar"))
	if err != nil || len(shapes) == 0 {
		t.Fatalf("no shapes of task definitions: %v", err)
	}
	deployed, err := filepath.Glob(filepath.Join(root, "deploy", "*.json"))
	if err != nil || len(deployed) == 0 {
		t.Fatalf("no task definitions in deploy/: %v", err)
	}
	n := 0
	for _, path := range slices.Concat(shapes, deployed) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatalf("%v", err)
		}
		doc := string(text)
		if strings.HasSuffix(path, ".txtar") {
			_, doc, _ = strings.Cut(doc, "-- out --\n")
		}
		if !strings.Contains(doc, `"containerDefinitions"`) {
			continue // a shape that is refused, or another kind of document
		}
		m.register(doc, filepath.Base(path))
		n++
	}
	fmt.Printf("  %-9s  %-52s  %d\n", "taken", "task definitions that moto registers", n)
}
