// Package spell finds the word that a misspelt one was probably meant to be.
package spell

import "strings"

// Nearest is the known word that word is nearest to, case aside; "" when none
// is within max(2, a third of its letters). Of equally near ones the first in
// the alphabet.
func Nearest(word string, known ...string) string {
	best, nearest := "", max(2, len(word)/3)
	for _, k := range known {
		d := distance(strings.ToLower(word), strings.ToLower(k))
		if d < nearest || d == nearest && (best == "" || k < best) {
			best, nearest = k, d
		}
	}
	return best
}

// distance is the number of letters to insert, delete or replace (Levenshtein's).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
