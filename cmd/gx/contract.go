package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"gxcoin.money/gx/contract"
)

type contractCmd struct {
	List contractListCmd `cmd:"" help:"List every function of the contracts with its arguments, roles and events."`
}

type contractListCmd struct {
	Output string `short:"o" enum:"table,json,markdown" default:"table" help:"Form of the list: ${enum}."`
}

// Run prints the functions.
func (c contractListCmd) Run(p *program) error {
	switch c.Output {
	case "json":
		return json.MarshalWrite(p.stdout, contract.Functions(), jsontext.WithIndent("  "), json.Deterministic(true))
	case "markdown":
		return writeContracts(p.stdout)
	}
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "FUNCTION\tKIND\tROLES\tEVENTS")
	for _, f := range contract.Functions() {
		fmt.Fprintf(w, "%s(%s)\t%s\t%s\t%s\n", f.Name, argumentsOf(f), f.Kind, roles(f), join(f.Events))
	}
	return w.Flush()
}

// writeContracts writes the reference page, docs/contracts.md.
func writeContracts(w io.Writer) error {
	var b strings.Builder
	b.WriteString(`# Functions of the contracts

What a client can call on the ledger, by contract and function, with string arguments. Generated: ` + "`gx contract list -o markdown > docs/contracts.md`" + `.

A command changes the ledger. It takes one more, optional argument, an id of the caller's of at most 128 characters: called again with the same id and
arguments it has no second effect and returns the first result. Amounts are decimal strings of Qirat, lists and objects JSON. An argument with a ? may be
left out at the end, and empty anywhere. A certificate of a person (attribute gxc_user) needs no role for what gx_partner_api may do with that person as
the actor. A refusal has the form ` + "`<CODE>: <text>`" + `. A query reads and is open to every client; its result is JSON. ` + "`" + contract.BatchFunction + "`" + `
runs many commands in one transaction, each for itself.
`)
	var last string
	for _, f := range contract.Functions() {
		name, function, _ := strings.Cut(f.Name, ":")
		if name != last {
			fmt.Fprintf(&b, "\n## %s\n\n| function | kind | roles | events |\n|---|---|---|---|\n", name)
			last = name
		}
		fmt.Fprintf(&b, "| `%s(%s)` | %s | %s | %s |\n", function, argumentsOf(f), strings.ToLower(string(f.Kind)), roles(f), join(f.Events))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// argumentsOf lists the arguments; a ? marks those that are optional.
func argumentsOf(f contract.Function) string {
	list := slices.Clone(f.Args)
	for i := f.Required; i < len(list); i++ {
		list[i] += "?"
	}
	return strings.Join(list, ", ")
}

func roles(f contract.Function) string {
	if len(f.Roles) == 0 {
		return "any"
	}
	return join(f.Roles)
}

func join[S ~string](list []S) string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = string(s)
	}
	return strings.Join(out, ", ")
}
