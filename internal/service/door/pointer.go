package door

import (
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// pointerExtension tells the generator of the client that a member is a pointer
// there, too.
const pointerExtension = "x-go-type-skip-optional-pointer"

// markPointers marks the members of an operation's body that tell what is absent
// from what is empty: clients have to be able to send either.
func (d *Door) markPointers(op huma.Operation, input reflect.Type) {
	body, ok := input.FieldByName("Body")
	item := d.api.OpenAPI().Paths[op.Path]
	if !ok || item == nil {
		return
	}
	for _, o := range []*huma.Operation{item.Post, item.Put, item.Patch} {
		if o == nil || o.OperationID != op.OperationID || o.RequestBody == nil {
			continue
		}
		for _, media := range o.RequestBody.Content {
			markPointers(d.api.OpenAPI().Components.Schemas, media.Schema, body.Type)
		}
	}
}

func markPointers(schemas huma.Registry, s *huma.Schema, t reflect.Type) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if s.Ref != "" {
		s = schemas.SchemaFromRef(s.Ref)
	}
	if t.Kind() != reflect.Struct || s == nil {
		return
	}
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		p := s.Properties[name]
		switch {
		case p == nil:
		case f.Type.Kind() == reflect.Pointer && f.Type.Elem().Kind() != reflect.Struct:
			p.Extensions = map[string]any{pointerExtension: false}
		default:
			markPointers(schemas, p, f.Type)
		}
	}
}
