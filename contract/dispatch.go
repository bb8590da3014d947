package contract

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/event"
	"gxcoin.money/gx/protocol/role"
)

// Kind says what a function is for.
type Kind string

const (
	KindCommand Kind = "COMMAND" // changes the ledger
	KindQuery   Kind = "QUERY"   // reads it
	KindBatch   Kind = "BATCH"   // runs many commands
)

// Function describes one function of the contracts.
type Function struct {
	Name     string       `json:"name"` // "<Contract>:<Function>"
	Kind     Kind         `json:"kind"`
	Args     []string     `json:"args"`             // a command takes its id as an optional last one
	Required int          `json:"required"`         // of the arguments; the others may be left out, or empty
	Roles    []role.Role  `json:"roles"`            // who may call it; empty is everyone
	Command  command.Type `json:"command,omitzero"` // of a command
	Events   []event.Type `json:"events"`           // that a command can cause
}

// function is a Function with what runs it.
type function struct {
	Function
	invoke func(t *tx, args []string) ([]byte, error)
}

var (
	functions = map[string]*function{}
	commands  = map[command.Type]*commandFunction{}
)

// Functions lists every function, sorted by name.
func Functions() []Function {
	out := make([]Function, 0, len(functions))
	for _, f := range functions {
		out = append(out, f.Function)
	}
	slices.SortFunc(out, func(a, b Function) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

var _ Chaincode = Invoke

// Invoke runs one function of the contracts. There is no default contract.
func Invoke(stub Stub, name string, args []string) ([]byte, error) {
	f, ok := functions[name]
	if !ok {
		return nil, refuse(CodeNotFound, "function %.80q does not exist: use <Contract>:<Function>", name)
	}
	return f.invoke(newTx(stub), args)
}

// query registers a function that reads. Its result travels as JSON.
func query[R any](contract, name string, args []string, run func(t *tx, args []string) (R, error)) {
	f := &function{Function: Function{Name: contract + ":" + name, Kind: KindQuery, Args: args, Required: len(args)}}
	f.invoke = func(t *tx, values []string) ([]byte, error) {
		if err := countArgs(args, len(values)); err != nil {
			return nil, err
		}
		for i, v := range values {
			if !validText(v) {
				return nil, refuse(CodeInvalidArgument, "%s: must be valid text", args[i])
			}
		}
		result, err := run(t, values)
		if err != nil {
			return nil, err
		}
		return encode(result)
	}
	functions[f.Name] = f
}

func countArgs(args []string, n int) error {
	if n != len(args) {
		return refuse(CodeInvalidArgument, "takes %d arguments (%s), not %d", len(args), strings.Join(args, ", "), n)
	}
	return nil
}

// commandFunction runs the commands of one type.
type commandFunction struct {
	command.Definition
	name        string
	whilePaused bool
	keys        func(p command.Payload) []string
	run         func(t *tx, p command.Payload) (any, error)
}

// handle registers the handler of a command. Its result travels as JSON, nil is
// none. keys lists the keys that the handler is going to read, as far as the
// payload tells, and may be nil; events lists what it can emit.
func handle[P command.Payload](run func(t *tx, p P) (any, error), keys func(p P) []string, events ...event.Type) *commandFunction {
	var zero P
	d, ok := command.Lookup(zero.CommandType())
	if !ok {
		panic(fmt.Sprintf("contract: command %s is not registered", zero.CommandType()))
	}
	c := &commandFunction{
		Definition: d,
		name:       d.Name(),
		keys:       func(command.Payload) []string { return nil },
		run:        func(t *tx, p command.Payload) (any, error) { return run(t, p.(P)) },
	}
	if keys != nil {
		c.keys = func(p command.Payload) []string { return keys(p.(P)) }
	}
	commands[d.Type] = c
	f := Function{Name: c.name, Kind: KindCommand, Args: d.Args(), Required: d.Required(), Roles: d.Roles, Command: d.Type, Events: events}
	functions[c.name] = &function{f, func(t *tx, args []string) ([]byte, error) { return c.invoke(t, f.Args, args, nil) }}
	return c
}

// alias gives a command a second function of the same contract, which takes
// other arguments: complete makes those of the first of them.
func (c *commandFunction) alias(name string, names []string, complete func(args []string) []string) {
	f := functions[c.name].Function
	f.Name, f.Args, f.Required = c.Contract+":"+name, names, len(names)
	functions[f.Name] = &function{f, func(t *tx, args []string) ([]byte, error) { return c.invoke(t, names, args, complete) }}
}

// holds reports whether a caller has one of the roles of the function.
func (c *commandFunction) holds(who Caller) error {
	if slices.Contains(c.Roles, who.Role) {
		return nil
	}
	return refuse(CodeUnauthorized, "the caller does not have the required role for %s: %q", c.name, string(who.Role))
}

// allowed reports whether a caller may use the function at all. A certificate
// of a person (gxc_user) needs no role for what people do themselves.
func (c *commandFunction) allowed(who Caller) error {
	if who.User != "" && slices.Contains(c.Roles, role.PartnerAPI) {
		return nil
	}
	return c.holds(who)
}

// allowedAs reports whether a caller, who is allowed to use the function, may
// use it for the actor of a payload.
func (c *commandFunction) allowedAs(who Caller, actor string) error {
	if actor == "" {
		return c.holds(who)
	}
	if who.User != "" && who.User != actor {
		return refuse(CodeUnauthorized, "the caller is %s and cannot act for %s", who.User, actor)
	}
	return nil
}

// invoke runs a direct call: one command, whose refusal aborts the transaction.
// complete, unless it is nil, turns arguments of other names into those of the
// command.
func (c *commandFunction) invoke(t *tx, names, args []string, complete func([]string) []string) ([]byte, error) {
	if err := c.allowed(t.stub.Caller()); err != nil {
		return nil, err
	}
	if !c.whilePaused {
		if err := t.prefetch([]string{statusKey}); err != nil {
			return nil, err
		}
		if err := t.running(); err != nil {
			return nil, err
		}
	}
	id := ""
	if n := len(names); len(args) == n+1 {
		id, args = args[n], args[:n]
		if err := checkID(id); err != nil {
			return nil, err
		}
		if who := t.stub.Caller(); !slices.Contains(c.Roles, who.Role) {
			id = who.User + ":" + id // nobody uses up the ids of others
		}
	}
	if complete != nil {
		if err := countArgs(names, len(args)); err != nil {
			return nil, err
		}
		args = complete(args)
	}
	p, err := command.FromArgs(c.Definition, args)
	if err != nil {
		return nil, invalid(err)
	}
	if err := c.allowedAs(t.stub.Caller(), p.Actor()); err != nil {
		return nil, err
	}
	i := instruction{commandFunction: c, id: id, payload: p}
	if err := i.hash(nil); err != nil {
		return nil, err
	}
	if err := t.prefetch(i.reads()); err != nil {
		return nil, err
	}
	r, _, err := t.perform(&i)
	if err != nil {
		return nil, err
	}
	if refused := r.refusal(); refused != nil {
		return nil, refused
	}
	if err := t.commit(c.name); err != nil {
		return nil, err
	}
	return r.Result, nil
}

// maxProblems is how many bad fields a refusal names: it is kept for good.
const maxProblems = 10

// invalid turns what is wrong with a payload into a refusal.
func invalid(err error) error {
	fields, ok := errors.AsType[command.FieldErrors](err)
	switch {
	case !ok:
		return err
	case len(fields) > maxProblems:
		return refuse(CodeInvalidArgument, "%v; and %d more", fields[:maxProblems], len(fields)-maxProblems)
	}
	return refuse(CodeInvalidArgument, "%v", fields)
}
