package bootstrap

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

// goldenCase is one file of testdata/bootstrap. want.json is the output of the
// real command for it: e2e records these files and compares them again.
type goldenCase struct {
	settings Settings
	config   map[string]any
	want     object
}

func readGolden(t *testing.T, file string) goldenCase {
	t.Helper()
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	part := map[string][]byte{}
	for _, f := range archive.Files {
		part[f.Name] = f.Data
	}
	var in struct {
		XDS, CA, Token string
		Env            map[string]string
	}
	var c goldenCase
	for name, to := range map[string]any{"settings.json": &in, "config.json": &c.config, "want.json": &c.want} {
		if err := json.Unmarshal(part[name], to); err != nil {
			t.Fatalf("%s: %s: %v", file, name, err)
		}
	}
	c.settings = Settings{
		ProxyID: "web-1-sidecar-proxy", XDS: in.XDS, CA: in.CA, Admin: consulAdmin,
		Token:     func() string { return in.Token },
		Env:       func(name string) string { return in.Env[name] },
		StatsTags: AllStatsTags(),
	}
	return c
}

func goldens(t *testing.T, each func(*testing.T, goldenCase)) {
	files, err := filepath.Glob("testdata/bootstrap/*.txtar")
	if err != nil || len(files) < 18 {
		t.Fatalf("%d golden files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) { each(t, readGolden(t, file)) })
	}
}

func (c goldenCase) registered() Registered {
	return Registered{Service: "web", Datacenter: "dc1", Config: c.config}
}

// roundTrip makes documents comparable: numbers as JSON reads them.
func roundTrip(t *testing.T, v any) object {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var doc object
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestDocumentIsWhatConsulPrints(t *testing.T) {
	goldens(t, func(t *testing.T, c goldenCase) {
		doc, err := document(c.settings, c.registered())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, roundTrip(t, doc)); diff != "" {
			t.Errorf("want is what consul connect envoy prints (-want +got):\n%s", diff)
		}
		if unknown := Unknown(c.config); len(unknown) > 0 {
			t.Errorf("Known: %v are unknown, but the document was made", unknown)
		}
	})
}
