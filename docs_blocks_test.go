package meshtask_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// unplayed are the commands of the pages that no test runs, by their first lines, each with the
// reason. Another one without a kind that TestDocs plays fails TestDocsArePlayed.
func unplayed() map[string]string {
	const (
		aws    = "it needs an AWS account"
		images = "it needs a container engine; make test-image builds and runs the images"
		build  = "it builds the real parts, or runs them for minutes: .ci/run does"
		person = "it is for a person at a terminal; TestTerminal plays one"
		inside = "it is for the inside of a task's container in trouble; the tests of each command play such tasks"
		server = "it is for the operators of the Consul servers"
	)
	return map[string]string{
		"README.md: make demo":                                           build,
		"docs/versions.md: make matrix":                                  build,
		"docs/use-laptop.md: make try":                                   build,
		"docs/images.md: make images-update":                             "it asks registries",
		"docs/images.md: docker build":                                   images,
		"docs/images.md: make images REPOSITORY":                         "it needs a container engine; TestBuildImages plays one",
		"docs/use-siblings.md: docker build":                             images,
		"docs/use-laptop.md: docker compose":                             images,
		"docs/use-laptop.md: meshtask dev --config web.json --log-level": person,
		"docs/from-consul-ecs.md: aws ecs describe-task-definition":      aws,
		"docs/use-job.md: aws ecs register-task-definition":              aws,
		"docs/use-job.md: aws events put-rule":                           aws,
		"docs/page.md: curl -N":                                          "it does not end; TestTaskPage reads the stream",
		"docs/runbook.md: aws ecs execute-command":                       aws,
		"docs/runbook.md: aws logs tail":                                 aws,
		"docs/runbook.md: aws ecs list-tasks":                            aws,
		"docs/runbook.md: meshtask plan":                                 inside,
		"docs/runbook.md: meshtask health; echo $?":                      inside,
		"docs/runbook.md: meshtask why":                                  inside,
		"docs/runbook.md: meshtask status --metrics":                     inside,
		"docs/runbook.md: consul acl token read":                         server,
		"docs/runbook.md: consul operator raft":                          server,
	}
}

// Every block of commands on a page is played as it stands, by TestDocs (of the e2e module), or
// there is a reason why it cannot be.
func TestDocsArePlayed(t *testing.T) {
	pages, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	fence := regexp.MustCompile("(?ms)^```([^\\n]*)\\n(.*?)^```$")
	command := regexp.MustCompile(`^(\$ |make |meshtask |docker |aws |consul |envoy |terraform |npm |npx |curl |go |git |cd |export |PATH=|tools/)`)
	used := map[string]bool{}
	played := 0
	for _, page := range append(pages, "README.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range fence.FindAllStringSubmatch(string(text), -1) {
			kind, body := m[1], m[2]
			if kind == "sh run" || kind == "sh repository" {
				played++
				continue
			}
			lang, _, _ := strings.Cut(kind, " ")
			shell := slices.Contains([]string{"sh", "bash", "shell", "console"}, lang) || lang == "" && command.MatchString(body)
			if !shell {
				continue
			}
			known := false
			for first := range unplayed() {
				if strings.HasPrefix(page+": "+body, first) {
					known, used[first] = true, true
				}
			}
			if !known {
				t.Errorf("%s: nobody runs this; make it `sh run` or `sh repository`, or add it to unplayed with the reason:\n%s", page, body)
			}
		}
	}
	for first := range unplayed() {
		if !used[first] {
			t.Errorf("no page has %q any more", first)
		}
	}
	if played < 15 {
		t.Errorf("only %d blocks are played", played)
	}
}
