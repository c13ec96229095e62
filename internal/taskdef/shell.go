package taskdef

import (
	"slices"
	"strings"
)

// script is what a shell script of the kind that starts an agent holds: its
// commands as words, and the files that it writes with here-documents. Variables
// are left as they stand.
type script struct {
	commands [][]string
	files    map[string]string
}

// readScript knows the subset that consul-ecs's modules render: words, quotes,
// continuation lines, comments, here-documents. Control structures are words.
func readScript(text string) script {
	s := script{files: map[string]string{}}
	lines := strings.Split(strings.ReplaceAll(text, "\r", ""), "\n")
	for i := 0; i < len(lines); i++ {
		var line strings.Builder
		part, quote := lines[i], quotes{}
		for i+1 < len(lines) && strings.HasSuffix(part, `\`) {
			i++
			part = strings.TrimSuffix(part, `\`) + " "
			line.WriteString(part)
			quote.read(part)
			part = lines[i]
		}
		for line.WriteString(part); quote.read(part) && i+1 < len(lines); line.WriteString(part) {
			i++
			part = "\n" + lines[i]
		}
		words := splitWords(strings.TrimSuffix(line.String(), `\`))
		if end, into, ok := heredoc(words); ok {
			var body []string
			for i++; i < len(lines) && strings.TrimSpace(lines[i]) != end; i++ {
				body = append(body, lines[i])
			}
			s.files[into] = strings.Join(body, "\n")
			continue
		}
		if len(words) > 0 {
			s.commands = append(s.commands, words)
		}
	}
	return s
}

// heredoc recognises cat << EOF > PATH, in either order and with or without spaces.
func heredoc(words []string) (end, into string, ok bool) {
	for i := 0; i < len(words); i++ {
		w := words[i]
		rest, here := strings.CutPrefix(w, "<<")
		target, file := strings.CutPrefix(w, ">")
		next := func(s string) string {
			if s == "" && i+1 < len(words) {
				i++
				return words[i]
			}
			return s
		}
		switch {
		case here:
			end, ok = next(strings.TrimPrefix(rest, "-")), true
		case file:
			into = next(target)
		}
	}
	return end, into, ok && end != ""
}

// splitWords splits a line at blanks outside quotes and takes the quotes off.
func splitWords(line string) []string {
	var words []string
	var b strings.Builder
	begun, quote := false, rune(0)
	runes := []rune(line)
	for i := 0; i < len(runes); i++ {
		r := runes[i]
		switch {
		case quote == 0 && r == '#' && !begun:
			return words
		case r == '\\' && quote != '\'' && i+1 < len(runes):
			i++
			b.WriteRune(runes[i])
			begun = true
		case quote == 0 && (r == '\'' || r == '"'):
			quote, begun = r, true
		case r == quote:
			quote = 0
		case quote == 0 && (r == ' ' || r == '\t' || r == '\n'):
			if begun {
				words = append(words, b.String())
			}
			b.Reset()
			begun = false
		default:
			b.WriteRune(r)
			begun = true
		}
	}
	if begun {
		words = append(words, b.String())
	}
	return words
}

// quotes is where a line that is read in parts stands: each part is looked at once.
type quotes struct {
	quote          rune
	escaped, begun bool
	comment        bool
}

// read says whether a quote is open at the end of the next part.
func (q *quotes) read(part string) bool {
	for _, r := range part {
		switch {
		case q.comment:
		case q.escaped:
			q.escaped = false
		case q.quote == 0 && r == '#' && !q.begun:
			q.comment = true
		case r == '\\' && q.quote != '\'':
			q.escaped = true
		case q.quote == 0 && (r == '\'' || r == '"'):
			q.quote = r
		case r == q.quote:
			q.quote = 0
		}
		q.begun = r != ' ' && r != '\t' && r != '\n'
	}
	return q.quote != 0
}

// agentArgs are the arguments of the script's `consul agent`.
func (s script) agentArgs() ([]string, bool) {
	for _, words := range s.commands {
		for i := 0; i+1 < len(words); i++ {
			if (words[i] == "consul" || strings.HasSuffix(words[i], "/consul")) && words[i+1] == "agent" {
				return words[i+2:], true
			}
		}
	}
	return nil, false
}

// option is the value of an option of the script's first command of these words.
func (s script) option(name string, prefix ...string) (string, bool) {
	for _, words := range s.commands {
		if len(words) < len(prefix) || !slices.Equal(words[:len(prefix)], prefix) {
			continue
		}
		if i := slices.Index(words, name); i >= 0 && i+1 < len(words) {
			return words[i+1], true
		}
	}
	return "", false
}
