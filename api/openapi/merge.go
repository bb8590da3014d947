// Package openapi is the HTTP API as documents: an OpenAPI 3.1 document for each
// service and gx.json, which is all of them behind one host.
package openapi

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"unicode"
)

//go:generate go test . -run ^TestDocuments$ -update

// All is gx.json.
//
//go:embed gx.json
var All []byte

// Shared tags the operations that every service has.
const Shared = "every service"

// Merge returns the document of all services behind one host. Each operation is
// tagged with its service, one that several services have with Shared. Schemas
// of one name that differ get the name of their service in front.
func Merge(documents map[string][]byte) ([]byte, error) {
	decoded := map[string]map[string]any{}
	variants := map[string][]any{} // schemas by name
	for _, service := range slices.Sorted(maps.Keys(documents)) {
		var d map[string]any
		if err := json.Unmarshal(documents[service], &d); err != nil {
			return nil, fmt.Errorf("document of %s: %w", service, err)
		}
		decoded[service] = d
		for name, schema := range schemas(d) {
			if !slices.ContainsFunc(variants[name], func(v any) bool { return reflect.DeepEqual(v, schema) }) {
				variants[name] = append(variants[name], schema)
			}
		}
	}
	paths, all := map[string]any{}, map[string]any{}
	var frame map[string]any
	for _, service := range slices.Sorted(maps.Keys(decoded)) {
		d := decoded[service]
		renamed := map[string]string{}
		for name := range schemas(d) {
			if len(variants[name]) > 1 {
				renamed[name] = title(service) + name
			}
		}
		redirect(d, renamed)
		for name, schema := range schemas(d) {
			if other, ok := renamed[name]; ok {
				name = other
			}
			all[name] = schema
		}
		if err := merge(paths, d["paths"].(map[string]any)); err != nil {
			return nil, fmt.Errorf("document of %s: %w", service, err)
		}
		frame = d
	}
	if frame == nil {
		return nil, fmt.Errorf("there is no document")
	}
	components := maps.Clone(frame["components"].(map[string]any))
	components["schemas"] = all
	merged := maps.Clone(frame)
	info := maps.Clone(frame["info"].(map[string]any))
	info["title"] = "GX"
	merged["info"], merged["components"], merged["paths"] = info, components, paths
	return Format(merged)
}

// Format writes a document for people to review: indented, members in the order of their names.
func Format(document any) ([]byte, error) {
	b, err := json.MarshalIndent(document, "", "  ")
	return append(b, '\n'), err
}

func schemas(document map[string]any) map[string]any {
	components, _ := document["components"].(map[string]any)
	s, _ := components["schemas"].(map[string]any)
	return s
}

func title(service string) string {
	r := []rune(service)
	return string(unicode.ToUpper(r[0])) + string(r[1:])
}

// redirect points every reference to a schema to its new name.
func redirect(v any, renamed map[string]string) {
	const place = "#/components/schemas/"
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			if ref, ok := member.(string); ok && name == "$ref" {
				if other, ok := renamed[strings.TrimPrefix(ref, place)]; ok {
					v[name] = place + other
				}
				continue
			}
			redirect(member, renamed)
		}
	case []any:
		for _, item := range v {
			redirect(item, renamed)
		}
	}
}

// merge adds the operations of a service. One that is there already must be the
// same but for its tags.
func merge(all, paths map[string]any) error {
	for path, item := range paths {
		target, _ := all[path].(map[string]any)
		if target == nil {
			target = map[string]any{}
			all[path] = target
		}
		for method, operation := range item.(map[string]any) {
			op := operation.(map[string]any)
			if known, ok := target[method].(map[string]any); ok {
				op["tags"] = []any{Shared}
				known["tags"] = op["tags"]
				if !reflect.DeepEqual(known, op) {
					return fmt.Errorf("%s %s differs from the same operation of another service", strings.ToUpper(method), path)
				}
				continue
			}
			target[method] = op
		}
	}
	return nil
}
