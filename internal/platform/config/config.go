// Package config gives every setting one name in three forms: the flag
// --database-url, the variable GX_DATABASE_URL and, for a secret, the variable
// GX_DATABASE_URL_FILE, which names a file that holds it. A flag wins over a
// variable and a variable over the default. A GX_ variable that is no setting
// is an error, so that a misspelt one is not silently the default.
//
// The command line itself is kong's; [Environment] is its resolver.
package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

const (
	prefix     = "GX_"
	fileSuffix = "_FILE"
	maxSecret  = 64 << 10
)

// foreign are GX_ variables of our tests, which their child processes inherit.
var foreign = []string{"GX_TEST_", "GX_REQUIRE_", "GX_PGTEST_", "GX_PGEMBED_"}

// Variable returns the name of the variable for a flag.
func Variable(flag string) string {
	return prefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// Environment is the GX_ variables of a process. It implements kong.Resolver.
type Environment struct {
	vars map[string]string
}

// FromEnviron takes the GX_ variables from what os.Environ returns. An empty
// variable counts as absent.
func FromEnviron(environ []string) *Environment {
	e := &Environment{vars: map[string]string{}}
	for _, v := range environ {
		if name, value, _ := strings.Cut(v, "="); strings.HasPrefix(name, prefix) && value != "" {
			e.vars[name] = value
		}
	}
	return e
}

// Options make a parser read the environment and its help name the variables.
func (e *Environment) Options() kong.Option {
	return kong.OptionFunc(func(k *kong.Kong) error {
		for _, o := range []kong.Option{kong.Resolvers(e), kong.ValueFormatter(help)} {
			if err := o.Apply(k); err != nil {
				return err
			}
		}
		return nil
	})
}

func help(v *kong.Value) string {
	if v.Flag == nil || !isSetting(v.Flag) {
		return v.Help
	}
	name := "$" + Variable(v.Name)
	if isSecret(v) {
		name += "[" + fileSuffix + "]"
	}
	return v.Help + " (" + name + ")"
}

func isSetting(f *kong.Flag) bool { return f.Name != "help" }

func isSecret(v *kong.Value) bool { return v.Target.Type() == reflect.TypeFor[Secret]() }

// source returns the value of a flag's variable and the variable's name, which is
// empty when neither form is set.
func (e *Environment) source(f *kong.Flag) (value, name string, err error) {
	if !isSetting(f) {
		return "", "", nil
	}
	name = Variable(f.Name)
	value, set := e.vars[name]
	path, inFile := e.vars[name+fileSuffix]
	switch {
	case !isSecret(f.Value) || !inFile:
		if !set {
			name = ""
		}
		return value, name, nil
	case set:
		return "", "", fmt.Errorf("both %s and %s are set; keep one", name, name+fileSuffix)
	}
	name += fileSuffix
	value, err = readSecret(path)
	if err != nil {
		return "", "", fmt.Errorf("%s: %w", name, err)
	}
	return value, name, nil
}

// readSecret returns the content of a file without its last line end.
func readSecret(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err != nil {
		return "", err
	}
	value := strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r")
	switch {
	case len(content) > maxSecret:
		return "", fmt.Errorf("%s is larger than a secret can be", path)
	case value == "":
		return "", fmt.Errorf("%s is empty", path)
	}
	return value, nil
}

// Resolve implements kong.Resolver.
func (e *Environment) Resolve(_ *kong.Context, _ *kong.Path, f *kong.Flag) (any, error) {
	value, name, err := e.source(f)
	if err != nil || name == "" {
		return nil, err
	}
	// Decoded here first, so that the error names what the operator has set.
	target := reflect.New(f.Target.Type()).Elem()
	scan := kong.Scan().PushTyped(value, kong.FlagValueToken)
	if err := f.Mapper.Decode(&kong.DecodeContext{Value: f.Value, Scan: scan}, target); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return value, nil
}

// Validate implements kong.Resolver: it refuses variables that are no setting
// of any command.
func (e *Environment) Validate(app *kong.Application) error {
	known := map[string]bool{}
	err := kong.Visit(app, func(n kong.Visitable, next kong.Next) error {
		if f, ok := n.(*kong.Flag); ok && isSetting(f) {
			known[Variable(f.Name)] = true
			if isSecret(f.Value) {
				known[Variable(f.Name)+fileSuffix] = true
			}
		}
		return next(nil)
	})
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range sorted(e.vars) {
		if known[name] || slices.ContainsFunc(foreign, func(p string) bool { return strings.HasPrefix(name, p) }) {
			continue
		}
		err := fmt.Errorf("%s is set, but there is no such setting", name)
		if near := nearest(name, sorted(known)); near != "" {
			err = fmt.Errorf("%w; did you mean %s?", err, near)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// nearest returns the candidate that takes the fewest edits, "" when that is
// too many for a slip.
func nearest(name string, candidates []string) string {
	best, at := "", max(2, len(name)/4)+1
	for _, c := range candidates {
		if d := edits(name, c); d < at {
			best, at = c, d
		}
	}
	return best
}

// edits is the Levenshtein distance of two strings.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			substitute := diagonal
			if a[i] != b[j] {
				substitute++
			}
			diagonal = row[j+1]
			row[j+1] = min(row[j+1]+1, row[j]+1, substitute)
		}
	}
	return row[len(b)]
}

func sorted[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
