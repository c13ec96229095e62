package bootstrap

import "strings"

// TagExpressions are the tags that Consul's document has Envoy take out of the names of its
// statistics: the tag and its regular expression, in the document's order. The first group is
// what goes from the name, the second the tag's value; "" where it took no part in the match.
func TagExpressions() [][2]string {
	all := tagPatterns()
	for i := range all {
		all[i][1] = strings.ReplaceAll(all[i][1], "S", "[^.]+")
	}
	return all
}
