package metrics

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"meshtask/envoy/bootstrap"
)

// bed is a translator, and how often it has asked for names.
type bed struct {
	t     *testing.T
	tr    *Translator
	asked int
}

func newBed(t *testing.T) *bed { return &bed{t: t, tr: New(nil)} }

// prints is a statistic as Envoy prints it without expressions.
func prints(kind, raw string, value int) string {
	name, labels := newExtractor(rules(nil)).series(raw)
	return fmt.Sprintf("# TYPE %s %s\n%s{%s} %d\n\n", name, kind, name, labels, value)
}

func (b *bed) read(text string, names ...string) string {
	b.t.Helper()
	page, err := b.tr.Read(strings.NewReader(text), func() ([]byte, error) {
		b.asked++
		return []byte(strings.Join(names, ": 0\n") + ": 0\n"), nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return written(b.t, page)
}

func written(t *testing.T, page *Page) string {
	t.Helper()
	var out bytes.Buffer
	n, err := page.WriteTo(&out)
	if err != nil || n != int64(out.Len()) {
		t.Fatalf("%d of %d bytes, %v", n, out.Len(), err)
	}
	return out.String()
}

// lines are the series of a text, by service and value.
func lines(text string) (out []string) {
	for line := range strings.Lines(text) {
		if _, rest, ok := strings.Cut(line, `consul_destination_service="`); ok {
			service, _, _ := strings.Cut(rest, `"`)
			out = append(out, service+strings.TrimSuffix(line[strings.LastIndexByte(line, ' '):], "\n"))
		}
	}
	return out
}

func cluster(service string) string {
	return "cluster.v1." + service + ".default.dc1.internal.x.consul.upstream_rq_total"
}

// Names are asked for when there is a series that is not known, and never for those that no
// expression changes; what is gone is forgotten.
func TestNamesAreAskedForOnce(t *testing.T) {
	b := newBed(t)
	api, web := prints("counter", cluster("api"), 7), prints("counter", cluster("web"), 8)
	server := "# TYPE envoy_server_live gauge\nenvoy_server_live{} 1\n\n"
	for _, step := range []struct {
		name, text   string
		names        []string
		lines        []string
		asked, known int
	}{
		{"nothing of Consul's", server, nil, nil, 0, 0},
		{"a first one", api + server, []string{cluster("api")}, []string{"api 7"}, 1, 1},
		{"again", api + server, nil, []string{"api 7"}, 1, 1},
		{"one more", api + web, []string{cluster("api"), cluster("web")}, []string{"api 7", "web 8"}, 2, 2},
		{"one is gone", web, nil, []string{"web 8"}, 2, 1},
		{"it is back", api + web, []string{cluster("api"), cluster("web")}, []string{"api 7", "web 8"}, 3, 2},
		{"all are gone", server, nil, nil, 3, 0},
	} {
		got := b.read(step.text, step.names...)
		if !slices.Equal(lines(got), step.lines) || b.asked != step.asked || b.tr.count != step.known {
			t.Errorf("%s: %v, asked %d times, %d known: want %v, %d, %d\n%s", step.name, lines(got), b.asked, b.tr.count, step.lines, step.asked, step.known, got)
		}
		if step.text == server && got != server {
			t.Errorf("%s: %s", step.name, got)
		}
	}
	if len(b.tr.texts) != 0 || len(b.tr.known) != 0 {
		t.Errorf("left: %v %v", b.tr.texts, b.tr.known)
	}
}

// A series without a statistic that explains it is asked for twice, in case its statistic had
// just gone; then it is called what Envoy calls it.
func TestAnUnexplainedSeriesIsAskedForTwice(t *testing.T) {
	b := newBed(t)
	text := prints("counter", cluster("api"), 7)
	for _, asked := range []int{1, 2, 2} {
		if got := b.read(text, "server.live"); got != text || b.asked != asked {
			t.Errorf("asked %d times, want %d:\n%s", b.asked, asked, got)
		}
	}
	b = newBed(t)
	b.read(text)
	if got := b.read(text, cluster("api")); !slices.Equal(lines(got), []string{"api 7"}) {
		t.Errorf("its name came late: %s", got)
	}
}

// Envoy prints statistics alike whose names differ in a dot or a dash only. They come in the
// order of their names, segment by segment.
func TestStatisticsThatArePrintedAlike(t *testing.T) {
	b := newBed(t)
	dash, line := cluster("my-api"), cluster("my_api")
	both := prints("counter", dash, 1) + prints("counter", line, 2)
	for _, step := range []struct {
		name, text string
		names      []string
		lines      []string
		asked      int
	}{
		{"both", both, []string{line, dash}, []string{"my-api 1", "my_api 2"}, 1},
		{"again", both, nil, []string{"my-api 1", "my_api 2"}, 1},
		{"the first is gone", prints("counter", line, 3), []string{line}, []string{"my_api 3"}, 2},
		{"again", prints("counter", line, 3), nil, []string{"my_api 3"}, 2},
		{"it is back", both, []string{line, dash}, []string{"my-api 1", "my_api 2"}, 3},
		{"a gauge beside them", both + prints("gauge", dash, 4), []string{line, dash}, []string{"my-api 1", "my_api 2"}, 4},
	} {
		got := b.read(step.text, step.names...)
		if !slices.Equal(lines(got), step.lines) || b.asked != step.asked || strings.Count(got, "# TYPE") != 1 {
			t.Errorf("%s: %v, asked %d times: want %v, %d\n%s", step.name, lines(got), b.asked, step.lines, step.asked, got)
		}
	}
}

// What comes of a histogram has all its lines, with their limits last.
func TestHistogram(t *testing.T) {
	b := newBed(t)
	const raw = "cluster.api.default.dc1.internal.x.consul.upstream_rq_time"
	name, labels := newExtractor(rules(nil)).series(raw)
	text := strings.NewReplacer("NAME", string(name), "LABELS", string(labels)).Replace("# TYPE NAME histogram\n" +
		"NAME_bucket{LABELS,le=\"0.5\"} 0\nNAME_bucket{LABELS,le=\"+Inf\"} 2\nNAME_sum{LABELS} 3.0999999999999996447\nNAME_count{LABELS} 2\n\n")
	name, labels = newExtractor(rules(withExpressions(nil))).series(raw)
	want := strings.NewReplacer("NAME", string(name), "LABELS", string(labels)).Replace("# TYPE NAME histogram\n" +
		"NAME_bucket{LABELS,le=\"0.5\"} 0\nNAME_bucket{LABELS,le=\"+Inf\"} 2\nNAME_sum{LABELS} 3.0999999999999996447\nNAME_count{LABELS} 2\n\n")
	if got := b.read(text, raw); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	const bare = "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 1\nh_sum{} 1\nh_count{} 1\n\n"
	if got := b.read(bare); got != bare {
		t.Errorf("without labels: %s", got)
	}
}

// What is no answer of Envoy's is refused whole, and so is an answer whose names cannot be had.
func TestBadAnswers(t *testing.T) {
	for _, text := range []string{
		"# TYPE a counter\na{} 1", "a{} 1\n", "<html>\n", "# TYPE a counter\nb{} 1\n", "# TYPE a counter\na{} x\n", "# TYPE a counter\na{} \n", "# TYPE a counter\na 1\n",
		"# TYPE a counter\na_sum{} 1\n", "# TYPE a summary\na{} 1\n", "# TYPE a histogram\na{} 1\n", "# TYPE a histogram\na_bucket{} 1\n",
		"# TYPE a histogram\na_bucket{xle=\"1\"} 1\n", "# TYPE a histogram\na_bucket{le=\"} 1\n", "# TYPE a histogram\na_bucket{le=\"x\"} 1\n", "# TYPE a counter\na}{ 1\n",
	} {
		if page, err := New(nil).Read(strings.NewReader(text), nil); err == nil {
			t.Errorf("%q is taken: %s", text, written(t, page))
		}
	}
	b, boom := newBed(t), errors.New("no names")
	text := prints("counter", cluster("api"), 7)
	if _, err := b.tr.Read(strings.NewReader(text), func() ([]byte, error) { return nil, boom }); !errors.Is(err, boom) {
		t.Errorf("%v", err)
	}
	if b.tr.count != 0 || len(b.tr.known) != 0 || len(b.tr.texts) != 0 {
		t.Errorf("left of a bad answer: %v", b.tr.known)
	}
	if got := b.read(text, cluster("api")); !slices.Equal(lines(got), []string{"api 7"}) {
		t.Errorf("names came late: %s", got)
	}
	if _, err := b.tr.Read(iotest.TimeoutReader(strings.NewReader(text)), nil); !errors.Is(err, iotest.ErrTimeout) {
		t.Errorf("%v", err)
	}
	const odd = "# TYPE a counter\na{b=\"c} 1\na{1=\"\"} 2\na{b=\"\\\"}\"} 3\n\n"
	if got := b.read(odd); got != "# TYPE a counter\na{b=\"\\\"}\"} 3\n\n" {
		t.Errorf("labels that are none: %s", got)
	}
	if got := b.read("# TYPE a counter\na{} 1\n# TYPE b gauge\nb{} 2\n# TYPE a gauge\na{} 3\n# TYPE a counter\na{x=\"\"} 4\n"); got !=
		"# TYPE a counter\na{} 1\na{x=\"\"} 4\n\n# TYPE b gauge\nb{} 2\n\n" {
		t.Errorf("a metric of two types: %s", got)
	}
}

func TestTags(t *testing.T) {
	var list []string
	for _, e := range bootstrap.TagExpressions() {
		list = append(list, fmt.Sprintf(`{"tag_name":%q,"regex":%q}`, e[0], e[1]))
	}
	stats := func(tags ...string) string {
		return `{"stats_config":{"stats_tags":[` + strings.Join(tags, ",") + `],"use_all_default_tags":true}}`
	}
	const fixed = `{"tag_name":"a","fixed_value":"b"}`
	for _, c := range []struct {
		doc, tags string // the names; e marks an expression
		translate bool
	}{
		{`{}`, "", true},
		{stats(), "", true},
		{stats(fixed, `{"tag_name":"c","fixed_value":""}`), "a=b c=", true},
		{`{"stats_config":{"stats_tags":[` + fixed + `],"stats_matcher":{"reject_all":true}}}`, "a=b", true},
		{stats(fixed, list[2]), "a=b consul.destination.service=e", true},
		{stats(append(list[1:], fixed)...), strings.Repeat("x ", 25) + "", true},
		{stats(append(slices.Clone(list), fixed)...), strings.Repeat("x ", 26), false},
		{stats(list[2], list[2]), "", false},
		{stats(fixed, `{"tag_name":"consul.destination.service","regex":"x"}`), "", false},
		{stats(`{"tag_name":"c","regex":"x"}`), "", false},
		{stats(`{"tag_name":"envoy.cluster_name"}`), "", false},
		{stats(`{"tagName":"a","fixedValue":"b"}`), "", false},
		{`{"stats_config":{"statsTags":[{"tagName":"a","regex":"b"}]}}`, "", false},
		{`{"stats_config":{"use_all_default_tags":false}}`, "", false},
		{`{"statsConfig":{}}`, "", false},
	} {
		tags, translate, err := Tags([]byte(c.doc))
		var got []string
		for _, tag := range tags {
			if tag.Expression != "" {
				tag.Value += "e"
			}
			got = append(got, tag.Name+"="+tag.Value)
		}
		if err != nil || translate != c.translate || strings.Join(got, " ") != c.tags && len(got) != strings.Count(c.tags, "x ") {
			t.Errorf("%.200s: %s, %v, %v", c.doc, got, translate, err)
		}
	}
	if _, _, err := Tags([]byte("{")); err == nil {
		t.Error("half a document is taken")
	}
}

// labelCheck fails where the labels of a series are none.
type labelCheck struct{ *testing.T }

func (c labelCheck) family([]byte, string) {}
func (c labelCheck) line(line)             {}
func (c labelCheck) series(labels []byte) {
	if !areLabels(labels) {
		c.Errorf("no labels: %s", labels)
	}
}

// FuzzRead: whatever Envoy answers, it is refused or what comes of it is a valid exposition with
// each metric once, and saying it again gives the same.
func FuzzRead(f *testing.F) {
	api := cluster("api")
	f.Add([]byte(prints("counter", api, 1)+prints("gauge", "server.live", 1)), []byte(api+": 1\n"))
	f.Add([]byte("# TYPE a histogram\na_bucket{b=\"c\",le=\"+Inf\"} 1\na_sum{b=\"c\"} NaN\na_count{b=\"c\"} 1\n"), []byte("a: P0(nan,1)\n"))
	f.Add([]byte("# TYPE a counter\na{b=\"\\\\\"} 1\na{} 2\n# TYPE a gauge\na{} 3\n"), []byte(":\n\n"))
	base := New(consulsFixed())
	f.Fuzz(func(t *testing.T, text, names []byte) {
		tr := &Translator{printed: base.printed, wanted: base.wanted, known: map[metric]map[string]*entry{}, texts: map[string]string{}}
		give := func() ([]byte, error) { return names, nil }
		page, err := tr.Read(bytes.NewReader(text), give)
		if err != nil {
			return
		}
		out := written(t, page)
		types := map[string]bool{}
		for line := range strings.Lines(out) {
			if strings.HasPrefix(line, "#") {
				if types[line] {
					t.Errorf("twice: %s", line)
				}
				types[line] = true
			}
		}
		if err := read(strings.NewReader(out), labelCheck{t}); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		page, err = tr.Read(bytes.NewReader(text), give)
		if err != nil || written(t, page) != out {
			t.Errorf("the second reading differs: %v", err)
		}
	})
}
