package command

import (
	"errors"
	"reflect"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"gxcoin.money/gx/protocol/qirat"
)

// FieldError says what is wrong with one field. Field is its JSON name, with
// an index for list elements: "users[3].userID". It is Root for the payload itself.
type FieldError struct {
	Field   string
	Message string // reads well after the name of the field
}

// Root is the Field of an error that concerns the payload as a whole.
const Root = "payload"

func (e FieldError) Error() string { return e.Field + ": " + e.Message }

// FieldErrors lists every bad field of a payload. Its text is the same in every
// process, so it may go to the ledger.
type FieldErrors []FieldError

func (e FieldErrors) Error() string {
	parts := make([]string, len(e))
	for i, f := range e {
		parts[i] = f.Error()
	}
	return strings.Join(parts, "; ")
}

// Fields returns the field errors inside err, nil when there are none.
func Fields(err error) FieldErrors {
	var fe FieldErrors
	errors.As(err, &fe)
	return fe
}

// jsonError turns an error of the decoder, for a value that stands at field (""
// for the payload itself), into the field error of the place it happened at.
// The text is ours: the decoder words its errors differently from process to
// process, and peers must agree on what they write.
func jsonError(field string, err error) FieldErrors {
	var (
		semantic  *json.SemanticError
		syntactic *jsontext.SyntacticError
		at        jsontext.Pointer
		message   = "is not valid JSON"
	)
	switch {
	case errors.As(err, &syntactic):
		at = syntactic.JSONPointer
		if errors.Is(err, jsontext.ErrDuplicateName) {
			message = "is given twice"
		}
	case errors.As(err, &semantic):
		at = semantic.JSONPointer
		switch {
		case errors.Is(err, json.ErrUnknownName):
			message = "is not a known field"
		case errors.Is(err, qirat.ErrSyntax), errors.Is(err, qirat.ErrRange):
			message = amountMessage(semantic.Err)
		default:
			message = "must be " + describe(semantic.GoType)
		}
	}
	return FieldErrors{{Field: path(field, at), Message: message}}
}

func amountMessage(err error) string { return strings.TrimPrefix(err.Error(), "qirat: ") }

// path extends a field by a JSON pointer: "users" and "/3/userID" make "users[3].userID".
func path(field string, at jsontext.Pointer) string {
	const maxName = 64 // names come from whoever wrote the payload
	for token := range at.Tokens() {
		if _, err := strconv.ParseUint(token, 10, 64); err == nil {
			field += "[" + token + "]"
			continue
		}
		if len(token) > maxName {
			token = strings.ToValidUTF8(token[:maxName], "") + "..."
		}
		if field != "" {
			field += "."
		}
		field += token
	}
	if field == "" {
		return Root
	}
	return field
}

func describe(t reflect.Type) string {
	if t == nil {
		return "of another type"
	}
	switch {
	case t == reflect.TypeFor[qirat.Amount](), t.Kind() == reflect.String:
		return "a string"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() == reflect.Slice, t.Kind() == reflect.Array:
		return "a list"
	case t.Kind() == reflect.Struct, t.Kind() == reflect.Map:
		return "an object"
	default:
		return "an integer within its range"
	}
}
