package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"gxcoin.money/gx/api/client"
	"gxcoin.money/gx/api/openapi"
)

type apiCmd struct {
	Method        string `arg:"" optional:"" help:"GET, POST, PUT, PATCH or DELETE. Without, the operations are listed."`
	Path          string `arg:"" optional:"" help:"Path with its query; /api/v1 may be left out, as in \"/wallets/me/transactions?limit=5\"."`
	Body          string `placeholder:"JSON" help:"What is sent: JSON, or the name of a file after an @, or - for the standard input."`
	Staff         bool   `help:"Send it as a member of staff."`
	At            string `placeholder:"SERVICE" enum:",${services}" default:"" help:"Service that it is sent to, one of the seven. By default the one that has the operation."`
	orderSettings `embed:""`
}

// Validate says what is missing.
func (c apiCmd) Validate() error {
	if (c.Method == "") != (c.Path == "") {
		return errors.New("give both METHOD and PATH, or neither")
	}
	return nil
}

// Run sends a request and prints the answer as it comes, or lists the operations.
func (c apiCmd) Run(ctx context.Context, p *program) error {
	all, err := operations()
	if err != nil {
		return err
	}
	if c.Method == "" {
		return c.show(p, all, func(w io.Writer) {
			for _, o := range all {
				fmt.Fprintf(w, "%-6s  %s\n        %s\n", o.Method, o.Path, o.Summary)
			}
		})
	}
	method, target := strings.ToUpper(c.Method), c.Path
	o, known := find(all, method, target)
	if !known {
		if o, known = find(all, method, prefix+target); known {
			target = prefix + target
		}
	}
	at := c.At
	switch {
	case at == "" && !known:
		return fmt.Errorf("there is no operation %s %s: gx api lists them, and --at sends it to a service all the same", method, target)
	case at == "" && o.Service == openapi.Shared:
		at = doorOf(c.Staff)
	case at == "":
		at = o.Service
	}
	body, err := c.content(p)
	if err != nil {
		return err
	}
	gx, err := c.sender(known && o.Public)
	if err != nil {
		return err
	}
	answer, err := gx.Send(ctx, at, method, target, body, c.options()...)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	if json.Indent(&text, answer, "", "  ") != nil { // it is something else
		_, err = p.stdout.Write(answer)
		return err
	}
	text.WriteByte('\n')
	_, err = text.WriteTo(p.stdout)
	return err
}

func (c apiCmd) sender(public bool) (*client.Client, error) {
	if public {
		return c.nobody()
	}
	return c.resume(c.Staff)
}

// content reads the body, nil when there is none.
func (c apiCmd) content(p *program) (json.RawMessage, error) {
	content, err := []byte(c.Body), error(nil)
	if name, ok := strings.CutPrefix(c.Body, "@"); ok {
		content, err = os.ReadFile(name)
	} else if c.Body == "-" {
		content, err = io.ReadAll(p.stdin.reader)
	}
	if err == nil && len(content) > 0 && !json.Valid(content) {
		err = errors.New("the body is not JSON")
	}
	return content, err
}

// prefix is that of almost every path.
const prefix = "/api/v1"

// operation is one of the API.
type operation struct {
	Method  string `json:"method"`
	Path    string `json:"path"` // with parameters in braces
	Service string `json:"service"`
	Public  bool   `json:"public"` // needs no login
	Summary string `json:"summary"`
}

// operations returns those of all services, by path.
func operations() ([]operation, error) {
	var document struct {
		Paths map[string]map[string]struct {
			Summary  string           `json:"summary"`
			Tags     []string         `json:"tags"`
			Security []map[string]any `json:"security"`
		} `json:"paths"`
	}
	if err := json.Unmarshal(openapi.All, &document); err != nil {
		return nil, err
	}
	var all []operation
	for _, path := range slices.Sorted(maps.Keys(document.Paths)) {
		methods := document.Paths[path]
		for _, method := range slices.Sorted(maps.Keys(methods)) {
			o := methods[method]
			all = append(all, operation{strings.ToUpper(method), path, o.Tags[0], len(o.Security) == 0, o.Summary})
		}
	}
	return all, nil
}

// find returns the operation that a request is for. Of several the one with the
// fewest parameters is meant.
func find(all []operation, method, target string) (found operation, ok bool) {
	target, _, _ = strings.Cut(target, "?")
	for _, o := range all {
		if o.Method == method && matches(o.Path, target) && (!ok || strings.Count(o.Path, "{") < strings.Count(found.Path, "{")) {
			found, ok = o, true
		}
	}
	return found, ok
}

// matches reports whether a path is one of a template.
func matches(template, path string) bool {
	want, got := strings.Split(template, "/"), strings.Split(path, "/")
	return slices.EqualFunc(want, got, func(want, got string) bool { return want == got || strings.HasPrefix(want, "{") && got != "" })
}
