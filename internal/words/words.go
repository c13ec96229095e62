// Package words reads lists that people write in one word.
package words

import "strings"

// List are the parts of s between its commas, without blanks around them; empty ones are left out.
func List(s string) []string {
	var all []string
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part != "" {
			all = append(all, part)
		}
	}
	return all
}
