package event

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"gxcoin.money/gx/protocol/qirat"
)

//go:generate go test -run ^TestKF10SchemaFiles$ -update .

// Schema returns the JSON Schema (2020-12) of an event's data, as NewRecord
// writes it.
func Schema(d Definition) ([]byte, error) {
	major, _, _ := strings.Cut(d.Version, ".")
	return document(string(d.Type), "urn:gx:event:"+string(d.Type)+":"+major, reflect.TypeOf(d.New()).Elem())
}

// EnvelopeSchema returns the JSON Schema (2020-12) of the envelope. The data of
// its records have the schemas of their events.
func EnvelopeSchema() ([]byte, error) {
	return document("Envelope", "urn:gx:event:envelope:1", reflect.TypeFor[Envelope]())
}

// schema is the part of JSON Schema that event types need.
type schema struct {
	Dialect    string             `json:"$schema,omitzero"`
	ID         string             `json:"$id,omitzero"`
	Title      string             `json:"title,omitzero"`
	Type       string             `json:"type,omitzero"`
	Pattern    string             `json:"pattern,omitzero"`
	Format     string             `json:"format,omitzero"`
	Minimum    *int64             `json:"minimum,omitzero"`
	Items      *schema            `json:"items,omitzero"`
	MinItems   int                `json:"minItems,omitzero"`
	MaxItems   int                `json:"maxItems,omitzero"`
	Properties map[string]*schema `json:"properties,omitzero"`
	Required   []string           `json:"required,omitempty"`
	Additional *bool              `json:"additionalProperties,omitzero"`
}

func document(title, id string, t reflect.Type) ([]byte, error) {
	s, err := describe(t)
	if err != nil {
		return nil, fmt.Errorf("schema of %s: %w", title, err)
	}
	s.Dialect, s.ID, s.Title = "https://json-schema.org/draft/2020-12/schema", id, title
	var out bytes.Buffer
	if err := json.MarshalWrite(&out, s, json.Deterministic(true), jsontext.WithIndent("  ")); err != nil {
		return nil, fmt.Errorf("schema of %s: %w", title, err)
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

func describe(t reflect.Type) (*schema, error) {
	switch t {
	case reflect.TypeFor[qirat.Amount]():
		return &schema{Type: "string", Pattern: "^(0|[1-9][0-9]{0,18})$"}, nil
	case reflect.TypeFor[time.Time]():
		return &schema{Type: "string", Format: "date-time"}, nil
	case reflect.TypeFor[jsontext.Value]():
		return &schema{}, nil
	}
	switch t.Kind() {
	case reflect.Pointer:
		return describe(t.Elem())
	case reflect.String:
		return &schema{Type: "string"}, nil
	case reflect.Bool:
		return &schema{Type: "boolean"}, nil
	case reflect.Int, reflect.Int64:
		return &schema{Type: "integer"}, nil
	case reflect.Uint64:
		return &schema{Type: "integer", Minimum: new(int64)}, nil
	case reflect.Slice:
		items, err := describe(t.Elem())
		return &schema{Type: "array", Items: items}, err
	case reflect.Array:
		items, err := describe(t.Elem())
		return &schema{Type: "array", Items: items, MinItems: t.Len(), MaxItems: t.Len()}, err
	case reflect.Struct:
		return object(t)
	}
	return nil, fmt.Errorf("no schema for Go type %s", t)
}

func object(t reflect.Type) (*schema, error) {
	s := &schema{Type: "object", Properties: map[string]*schema{}, Additional: new(bool)}
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" {
			return nil, fmt.Errorf("field %s.%s has no JSON name", t, f.Name)
		}
		property, err := describe(f.Type)
		if err != nil {
			return nil, fmt.Errorf("field %s: %w", name, err)
		}
		s.Properties[name] = property
		if options != "omitzero" {
			s.Required = append(s.Required, name)
		}
	}
	return s, nil
}
