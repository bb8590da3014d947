package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/alecthomas/kong"
)

// Setting is the effective value of a flag and where it comes from.
type Setting struct {
	Flag     string // without dashes
	Variable string
	Value    string // a secret is redacted
	Source   string // "flag", the name of a variable, or "default"
}

// Settings lists what the parsed command will run with.
func (e *Environment) Settings(ctx *kong.Context) ([]Setting, error) {
	given := map[*kong.Flag]bool{}
	for _, p := range ctx.Path {
		if p.Flag != nil && !p.Resolved {
			given[p.Flag] = true
		}
	}
	var out []Setting
	for _, f := range ctx.Flags() {
		if !isSetting(f) {
			continue
		}
		s := Setting{Flag: f.Name, Variable: Variable(f.Name), Value: fmt.Sprint(f.Target.Interface()), Source: "default"}
		if given[f] {
			s.Source = "flag"
		} else if _, name, err := e.source(f); err != nil {
			return nil, err
		} else if name != "" {
			s.Source = name
		}
		out = append(out, s)
	}
	return out, nil
}

// Print writes settings as a table.
func Print(w io.Writer, settings []Setting) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "SETTING\tVALUE\tSOURCE\tVARIABLE")
	for _, s := range settings {
		value := s.Value
		if value == "" {
			value = `""`
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", s.Flag, value, s.Source, s.Variable)
	}
	return t.Flush()
}

// Hash identifies a configuration without its secrets, to compare what runs
// with what should.
func Hash(settings []Setting) string {
	sum := sha256.New()
	for _, s := range settings {
		fmt.Fprintf(sum, "%q=%q\n", s.Flag, s.Value)
	}
	return hex.EncodeToString(sum.Sum(nil)[:6])
}
