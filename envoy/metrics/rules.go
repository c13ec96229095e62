package metrics

import (
	"bytes"
	"regexp"
	"slices"
	"strings"

	"meshtask/envoy/bootstrap"
)

// rule is one way of Envoy's to take a tag out of a statistic's name: what the expression's
// first group matches goes from the name, and the second group is the tag's value. A rule
// without an expression adds its value to every statistic.
type rule struct {
	tag   string
	re    *regexp.Regexp
	first string // the first segment of every name that matches, where Envoy knows it; such rules come last
	has   string // what every name that matches holds: the expression is spared the others
	not   string // a value that counts as no match
	whole bool   // an empty value stands for the whole first group
	value string
	twin  bool // another rule has the same tag: the first that matches counts
}

// hit is where a rule matched: the tag and its value, and what goes from the name.
type hit struct {
	rule     *rule
	value    string
	from, to int
}

// match applies the rule to a name.
func (r *rule) match(name string) (h hit, ok bool) {
	if r.re == nil {
		return hit{rule: r, value: r.value}, true
	}
	if !strings.Contains(name, r.has) || r.first != "" && !under(name, r.first) {
		return h, false
	}
	m := r.re.FindStringSubmatchIndex(name)
	if m == nil || m[2] < 0 {
		return h, false
	}
	h = hit{rule: r, from: m[2], to: m[3]}
	if m[4] >= 0 {
		h.value = name[m[4]:m[5]]
	}
	if r.whole && h.value == "" {
		h.value = name[m[2]:m[3]]
	}
	return h, r.not == "" || h.value != r.not
}

// under says whether segment is the first of several segments of a name.
func under(name, segment string) bool {
	return len(name) > len(segment) && name[len(segment)] == '.' && strings.HasPrefix(name, segment)
}

// group is a run of rules of which all look at the same beginning of a name: what they
// answer is the same for all names that begin so, and worked out once.
type group struct {
	rules []rule
	head  func(name string) string // "": none of them matches; nil: they look at all of it
}

// withExpressions are the tags of a document as they are with all of Consul's expressions: those
// stand after the user's tags and before Consul's of a fixed value.
func withExpressions(tags []Tag) []Tag {
	var all []Tag
	for _, e := range bootstrap.TagExpressions() {
		all = append(all, Tag{Name: e[0], Expression: e[1]})
	}
	fixed := slices.DeleteFunc(slices.Clone(tags), func(t Tag) bool { return t.Expression != "" })
	at := slices.IndexFunc(fixed, func(t Tag) bool {
		return t.Name == "local_cluster" || strings.HasPrefix(t.Name, "consul.source.")
	})
	if at < 0 {
		at = len(fixed)
	}
	return slices.Insert(fixed, at, all...)
}

// rules are those of an Envoy whose document has these tags, in Envoy's order: first those whose
// names may begin with anything, then those by the first segment.
func rules(tags []Tag) []group {
	anywhere, by := defaults()
	all, clusters := []group{{rules: anywhere}}, group{head: clusterHead}
	upstreams := false // of the last group
	for _, t := range tags {
		r := rule{tag: t.Name, value: t.Value}
		if t.Expression != "" {
			r.re = regexp.MustCompile(t.Expression)
			if strings.HasPrefix(t.Expression, `^cluster\.`) {
				r.first = "cluster"
				clusters.rules = append(clusters.rules, r)
				continue
			}
		}
		if expression := r.re != nil; expression != upstreams {
			upstreams = expression
			all = append(all, group{})
			if expression {
				all[len(all)-1].head = upstreamHead
			}
		}
		all[len(all)-1].rules = append(all[len(all)-1].rules, r)
	}
	all = append(all, group{rules: by}, clusters)
	seen := map[string]*rule{}
	for _, g := range all {
		for i := range g.rules {
			r := &g.rules[i]
			if other, ok := seen[r.tag]; ok {
				r.twin, other.twin = true, true
				continue
			}
			seen[r.tag] = r
		}
	}
	return all
}

// clusterHead is all of a name that an expression for clusters can match: each of them ends
// in ".consul.".
func clusterHead(name string) string {
	const last = ".consul."
	if !strings.HasPrefix(name, "cluster.") {
		return ""
	}
	if end := strings.LastIndex(name, last); end >= 0 {
		return name[:end+len(last)]
	}
	return ""
}

// upstreamHead is all of a name that an expression for upstreams can match: at most six
// segments, and the dot behind them.
func upstreamHead(name string) string {
	if !strings.HasPrefix(name, "http.upstream") && !strings.HasPrefix(name, "tcp.upstream") {
		return ""
	}
	end := 0
	for range 6 {
		dot := strings.IndexByte(name[end:], '.')
		if dot < 0 {
			break
		}
		end += dot + 1
	}
	return name[:end]
}

// renamed says whether an expression of Consul's document may match a name.
func renamed(name string) bool {
	return clusterHead(name) != "" || upstreamHead(name) != ""
}

// mayBeRenamed says the same of a series, by its name and labels as an Envoy without any of the
// expressions prints them.
func mayBeRenamed(name, labels []byte) bool {
	switch rest := bytes.TrimPrefix(name, []byte("envoy_")); {
	case bytes.HasPrefix(rest, []byte("cluster_")):
		return bytes.Contains(rest, []byte("_consul_"))
	case bytes.HasPrefix(rest, []byte("http_")), bytes.HasPrefix(rest, []byte("tcp_")):
		return bytes.Contains(labels, []byte(`_prefix="upstream`))
	}
	return false
}

// extractor applies rules to names and remembers what they said of a beginning. It is made
// for one round of names.
type extractor struct {
	groups []group
	memory []map[string][]hit
	hits   []hit
	cut    [][2]int
	name   []byte
	labels []byte
}

func newExtractor(groups []group) *extractor {
	e := &extractor{groups: groups, memory: make([]map[string][]hit, len(groups))}
	for i := range e.memory {
		e.memory[i] = map[string][]hit{}
	}
	return e
}

// find collects the hits of all rules on a name, in their order.
func (e *extractor) find(name string) []hit {
	e.hits = e.hits[:0]
	for i, g := range e.groups {
		if g.head == nil {
			e.hits = appendHits(e.hits, g.rules, name)
			continue
		}
		head := g.head(name)
		if head == "" {
			continue
		}
		known, ok := e.memory[i][head]
		if !ok {
			known = appendHits(nil, g.rules, head)
			e.memory[i][head] = known
		}
		for _, h := range known {
			e.hits = appendHit(e.hits, h)
		}
	}
	return e.hits
}

func appendHits(to []hit, rules []rule, name string) []hit {
	for i := range rules {
		if h, ok := rules[i].match(name); ok {
			to = appendHit(to, h)
		}
	}
	return to
}

func appendHit(to []hit, h hit) []hit {
	if h.rule.twin && slices.ContainsFunc(to, func(o hit) bool { return o.rule.tag == h.rule.tag }) {
		return to
	}
	return append(to, h)
}

// series is what Envoy prints for a statistic: the metric's name, and its labels without the
// braces. Both are valid until the next call.
func (e *extractor) series(name string) (metric, labels []byte) {
	e.cut, e.labels = e.cut[:0], e.labels[:0]
	for i, h := range e.find(name) {
		if h.to > h.from {
			e.cut = append(e.cut, [2]int{h.from, h.to})
		}
		if i > 0 {
			e.labels = append(e.labels, ',')
		}
		e.labels = appendSane(e.labels, h.rule.tag)
		e.labels = append(e.labels, '=', '"')
		e.labels = appendEscaped(e.labels, h.value)
		e.labels = append(e.labels, '"')
	}
	slices.SortFunc(e.cut, func(a, b [2]int) int { return a[0] - b[0] })
	e.name = append(e.name[:0], "envoy_"...)
	at := 0
	for _, c := range e.cut {
		if c[0] > at {
			e.name = appendSane(e.name, name[at:c[0]])
		}
		at = max(at, c[1])
	}
	e.name = appendSane(e.name, name[at:])
	return e.name, e.labels
}

// appendSane writes a name as Prometheus wants it: what is no letter, digit or underscore
// becomes an underscore.
func appendSane(to []byte, name string) []byte {
	for _, c := range name {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' {
			to = append(to, byte(c))
		} else {
			to = append(to, '_')
		}
	}
	return to
}

// appendEscaped writes the value of a label as Prometheus wants it.
func appendEscaped(to []byte, value string) []byte {
	for i := range len(value) {
		switch c := value[i]; c {
		case '\\', '"':
			to = append(to, '\\', c)
		case '\n':
			to = append(to, '\\', 'n')
		default:
			to = append(to, c)
		}
	}
	return to
}
