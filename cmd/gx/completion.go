package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"
)

// completions are the scripts that let a shell ask "gx complete" what may follow.
var completions = map[string]string{
	"bash": `_gx() {
	local IFS=$'\n'
	COMPREPLY=($(gx complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null | cut -f1))
}
complete -o default -F _gx gx
`,
	"zsh": `#compdef gx
_gx() {
	local -a found
	found=("${(@f)$(gx complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
	if [[ -n $found ]]; then _describe gx "${(@)found/$'\t'/:}"; else _files; fi
}
compdef _gx gx
`,
	"fish": `complete -c gx -a '(gx complete -- (commandline -opc)[2..] (commandline -ct) 2>/dev/null)'
`,
}

type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"One of ${enum}. For bash: source <(gx completion bash)"`
}

// Run prints the script.
func (c completionCmd) Run(p *program) error {
	_, err := io.WriteString(p.stdout, completions[c.Shell])
	return err
}

type completeCmd struct {
	Words []string `arg:"" optional:"" passthrough:"" help:"Words after gx; the last one is to be completed."`
}

// Run prints what the last word may be, with the help that belongs to it.
func (c completeCmd) Run(p *program) error {
	words := c.Words
	if len(words) > 0 && words[0] == "--" {
		words = words[1:]
	}
	if len(words) == 0 {
		words = []string{""}
	}
	cursor := cursor{node: p.parsed.Model.Node}
	for _, w := range words[:len(words)-1] {
		cursor.pass(w)
	}
	cursor.complete(words[len(words)-1], func(word, help string) { fmt.Fprintf(p.stdout, "%s\t%s\n", word, firstSentence(help)) })
	return nil
}

func firstSentence(s string) string {
	s, _, _ = strings.Cut(s, ". ")
	return strings.TrimSuffix(s, ".")
}

// cursor is how far words lead into the command line.
type cursor struct {
	node        *kong.Node
	positionals int
	flag        *kong.Flag // that still needs its value
}

func (c *cursor) pass(word string) {
	switch {
	case word == "=": // bash makes it a word of its own
	case c.flag != nil:
		c.flag = nil
	case strings.HasPrefix(word, "-"):
		name, _, valued := strings.Cut(word, "=")
		if f := c.find(name); f != nil && !valued && !f.IsBool() {
			c.flag = f
		}
	default:
		for _, child := range c.node.Children {
			if child.Name == word {
				c.node, c.positionals = child, 0
				return
			}
		}
		c.positionals++
	}
}

// flags calls use with each flag that may stand here.
func (c *cursor) flags(use func(*kong.Flag)) {
	for _, group := range c.node.AllFlags(true) {
		for _, f := range group {
			use(f)
		}
	}
}

func (c *cursor) find(name string) (found *kong.Flag) {
	c.flags(func(f *kong.Flag) {
		if name == "--"+f.Name || f.Short != 0 && name == "-"+string(f.Short) {
			found = f
		}
	})
	return found
}

func (c *cursor) complete(word string, offer func(word, help string)) {
	begins := func(candidate, help string) {
		if strings.HasPrefix(candidate, word) {
			offer(candidate, help)
		}
	}
	values := func(v *kong.Value, prefix string) {
		for value := range strings.SplitSeq(v.Enum, ",") {
			if value != "" {
				begins(prefix+value, "")
			}
		}
	}
	name, _, valued := strings.Cut(word, "=")
	switch {
	case c.flag != nil:
		word = strings.TrimPrefix(word, "=")
		values(c.flag.Value, "")
	case strings.HasPrefix(word, "-") && valued:
		if f := c.find(name); f != nil {
			values(f.Value, name+"=")
		}
	case strings.HasPrefix(word, "-"):
		c.flags(func(f *kong.Flag) { begins("--"+f.Name, f.Help) })
	case len(c.node.Children) > 0:
		for _, child := range c.node.Children {
			if !child.Hidden {
				begins(child.Name, child.Help)
			}
		}
	case c.positionals < len(c.node.Positional):
		values(c.node.Positional[c.positionals], "")
	}
}
