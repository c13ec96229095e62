package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"meshtask/e2e/harness"
)

// world is what the second half needs of the first.
type world struct {
	Images      map[string]*image // of our Dockerfile, by target
	Pages       map[string]*image // that a page's Dockerfile builds, by page
	Definitions []*definition
	Alone       bool // nothing else is played
}

// definition is a task definition that users copy, or a configuration alone, which then runs as it is.
type definition struct {
	Where  string // the file, or the page
	Page   string // that shows it, with how its image is built; "" for none
	Config string // the document, where it is a configuration alone

	Family               string
	ContainerDefinitions []shippedContainer
	Volumes              []struct{ Name string }
	Tags                 []struct{ Key, Value string }
}

type shippedContainer struct {
	Name, Image, User      string
	EntryPoint, Command    []string
	Environment            []struct{ Name, Value string }
	Secrets                []struct{ Name, ValueFrom string }
	ReadonlyRootFilesystem bool
	HealthCheck            struct{ Command []string }
	DependsOn              []struct{ ContainerName, Condition string }
	MountPoints            []struct {
		SourceVolume, ContainerPath string
		ReadOnly                    bool
	}
}

// ours says whether meshtask is in it: what was before meshtask is shown as well.
func (d *definition) ours() bool {
	return slices.ContainsFunc(d.ContainerDefinitions, func(c shippedContainer) bool {
		return len(c.EntryPoint) > 0 && filepath.Base(c.EntryPoint[0]) == "meshtask"
	})
}

// document is the configuration of the container that has one.
func (d *definition) document() (c struct {
	Service     struct{ Name string }
	Gateway     *struct{ Kind, Name string }
	ConsulAgent struct {
		RetryJoin []string
		CaCert    string
	}
}) {
	text := d.Config
	for _, container := range d.ContainerDefinitions {
		for _, e := range container.Environment {
			if e.Name == "MESHTASK_CONFIG_JSON" {
				text = e.Value
			}
		}
	}
	_ = json.Unmarshal([]byte(text), &c) // a controller has none
	return c
}

// filled are the words in capitals that deploy/ leaves to its reader.
var filled = strings.NewReplacer("ACCOUNT", "123456789012", "REGION", "us-east-1", "PREFIX", "shop", "https://CONSUL:", "https://consul.shop.internal:", `"IMAGE"`, `"meshtask-mesh"`)

// block is a fenced block of a page.
var block = regexp.MustCompile("(?ms)^```(json|dockerfile)[^\\n]*\\n(.*?)^```$")

// shipped finds every task definition and every configuration that users copy: each file below deploy
// that is one, and each block of a page. One that a page and a file have is one.
func shipped(t harness.T) []*definition {
	root := harness.Root(t)
	var out []*definition
	seen := map[string]*definition{}
	add := func(where, page string, text []byte) {
		d := &definition{Where: where, Page: page}
		if json.Unmarshal([]byte(filled.Replace(string(text))), d) != nil || !d.ours() {
			return
		}
		var short bytes.Buffer
		must(t, json.Compact(&short, text))
		if first := seen[short.String()]; first != nil {
			if first.Page == "" {
				first.Page = page
			}
			return
		}
		seen[short.String()] = d
		out = append(out, d)
	}
	for _, path := range documents(t, root) {
		text, err := os.ReadFile(filepath.Join(root, path))
		must(t, err)
		if filepath.Dir(path) == "deploy/config" {
			out = append(out, &definition{Where: path, Config: string(text)})
		} else {
			add(path, "", text)
		}
	}
	for _, page := range glob(t, root, "README.md", "docs/*.md", "deploy/*.md") {
		text, err := os.ReadFile(filepath.Join(root, page))
		must(t, err)
		for _, m := range block.FindAllSubmatch(text, -1) {
			if string(m[1]) == "json" {
				add(page, page, m[2])
			}
		}
	}
	if len(out) < 7 {
		t.Fatalf("only %d definitions and configurations were found", len(out))
	}
	return out
}

// documents are the JSON files below deploy.
func documents(t harness.T, root string) (out []string) {
	must(t, filepath.WalkDir(filepath.Join(root, "deploy"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && slices.Contains([]string{"test", "node_modules", ".terraform", "cdk.out", "out"}, d.Name()) {
			return fs.SkipDir
		}
		if err == nil && filepath.Ext(path) == ".json" {
			path, err = filepath.Rel(root, path)
			out = append(out, path)
		}
		return err
	}))
	return out
}

func glob(t harness.T, root string, patterns ...string) (out []string) {
	for _, pattern := range patterns {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		must(t, err)
		for _, path := range found {
			path, err = filepath.Rel(root, path)
			must(t, err)
			out = append(out, path)
		}
	}
	return out
}

// named are the addresses of servers that the definitions name; names are another matter.
func named(definitions []*definition) (out []string) {
	for _, d := range definitions {
		for _, host := range d.document().ConsulAgent.RetryJoin {
			if _, err := netip.ParseAddr(host); err == nil && !slices.Contains(out, host) {
				out = append(out, host)
			}
		}
	}
	return out
}

// usualPage is the page that the others refer to for the image of one container.
const usualPage = "docs/use-single-container.md"

// pageImages builds what each page's Dockerfile says, from what its reader has: the images that it
// names, and the app. A page that shows some lines means them in a Dockerfile of the reader's own.
func pageImages(r *report, context string, b *bases, images map[string]*image) map[string]*image {
	out := map[string]*image{}
	of := &bases{trees: map[string]string{"meshtask": images["meshtask"].Tree}}
	for _, page := range glob(r, context, "README.md", "docs/use-*.md") {
		text, err := os.ReadFile(filepath.Join(context, page))
		must(r, err)
		for _, m := range block.FindAllSubmatch(text, -1) {
			if string(m[1]) != "dockerfile" || out[page] != nil {
				continue
			}
			lines := string(m[2])
			if !strings.Contains(lines, "FROM ") {
				lines = "FROM debian:bookworm-slim\n" + lines
			}
			for _, ref := range regexp.MustCompile(`(?:FROM |--from=)(\S+:\S+)`).FindAllStringSubmatch(lines, -1) {
				for name, arg := range map[string]string{"hashicorp/consul:": "CONSUL_IMAGE", "envoyproxy/envoy:": "ENVOY_IMAGE", "debian:": "BASE_IMAGE"} {
					if strings.HasPrefix(ref[1], name) {
						of.trees[ref[1]] = b.tree(reference(arg))
					}
					if strings.HasPrefix(ref[1], "debian:") {
						of.shell = append(of.shell, ref[1])
					}
				}
			}
			dir := r.TempDir()
			must(r, os.Chmod(dir, 0o755))
			must(r, os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(lines), 0o644))
			must(r, copyFile(harness.App(r), filepath.Join(dir, "server")))
			out[page] = newPlain(r, request{context: dir, bases: of}).last(r)
		}
	}
	if out[usualPage] == nil {
		r.Fatalf("%s has no Dockerfile", usualPage)
	}
	return out
}

// last makes the last stage, which is the image of a build without a target.
func (p *plain) last(t harness.T) *image {
	last := &p.file.stages[len(p.file.stages)-1]
	if last.name == "" {
		last.name = "the last"
	}
	return p.stage(t, last.name)
}

// of is the image that a container of a definition runs.
func (w *world) of(d *definition, c shippedContainer) (*image, error) {
	if name := filepath.Base(c.Image); strings.HasPrefix(name, "meshtask-mesh") {
		return w.Images["meshtask-mesh"], nil
	}
	img := w.Pages[d.Page]
	if img == nil {
		img = w.Pages[usualPage]
	}
	// The app is the reader's: the page does not say how it comes into the image.
	words := slices.Concat(c.EntryPoint, c.Command)
	if at := slices.Index(words, "--"); at >= 0 && at+1 < len(words) && strings.HasPrefix(words[at+1], "/") {
		path := filepath.Join(img.Tree, words[at+1])
		if _, err := os.Stat(path); err != nil {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				return nil, err
			}
			if err := copyFile(os.Getenv("MESHTASK_E2E_BUILT_app"), path); err != nil {
				return nil, fmt.Errorf("%s: %w", c.Name, err)
			}
		}
	}
	return img, nil
}
