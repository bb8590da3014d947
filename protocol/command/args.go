package command

import (
	"encoding"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
)

// Args returns the names of the contract function's arguments, in order.
func (d Definition) Args() []string {
	t := reflect.TypeOf(d.New()).Elem()
	names := make([]string, t.NumField())
	for i := range names {
		names[i], _, _ = strings.Cut(t.Field(i).Tag.Get("json"), ",")
	}
	return names
}

// Required returns the number of arguments that a direct call cannot leave out;
// the others stand at the end.
func (d Definition) Required() int {
	t := reflect.TypeOf(d.New()).Elem()
	n := t.NumField()
	for n > 0 && strings.HasSuffix(t.Field(n-1).Tag.Get("json"), ",omitzero") {
		n--
	}
	return n
}

// FromArgs reads a payload from the string arguments of a direct call, one for
// each field in its order, of which those beyond Required may be missing: text
// verbatim, amounts, numbers and booleans in their one canonical spelling, lists
// and objects as JSON, read as strictly as by Decode. The payload is also
// validated. The error is FieldErrors; it concerns Root when the number of
// arguments is wrong.
func FromArgs(d Definition, args []string) (Payload, error) {
	names := d.Args()
	if least := d.Required(); len(args) < least || len(args) > len(names) {
		takes := strconv.Itoa(len(names))
		if least < len(names) {
			takes = strconv.Itoa(least) + " to " + takes
		}
		return nil, FieldErrors{{Root, fmt.Sprintf("takes %s arguments (%s), not %d", takes, strings.Join(names, ", "), len(args))}}
	}
	p := d.New()
	v := reflect.ValueOf(p).Elem()
	var c checks
	for i, arg := range args {
		c.errs = append(c.errs, setArg(names[i], v.Field(i), arg)...)
	}
	if err := c.err(); err != nil {
		return nil, err
	}
	if err := p.Validate(); err != nil {
		return nil, err
	}
	return p, nil
}

func setArg(name string, v reflect.Value, arg string) FieldErrors {
	bad := FieldErrors{{name, "must be " + describe(v.Type())}}
	if text, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		if err := text.UnmarshalText([]byte(arg)); err != nil {
			return FieldErrors{{name, amountMessage(err)}}
		}
		return nil
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(arg)
	case reflect.Bool:
		if arg != "true" && arg != "false" {
			return bad
		}
		v.SetBool(arg == "true")
	case reflect.Int, reflect.Int64:
		n, err := strconv.ParseInt(arg, 10, v.Type().Bits())
		if err != nil || strconv.FormatInt(n, 10) != arg {
			return bad
		}
		v.SetInt(n)
	case reflect.Uint, reflect.Uint64:
		n, err := strconv.ParseUint(arg, 10, v.Type().Bits())
		if err != nil || strconv.FormatUint(n, 10) != arg {
			return bad
		}
		v.SetUint(n)
	default:
		if err := json.Unmarshal([]byte(arg), v.Addr().Interface(), json.RejectUnknownMembers(true)); err != nil {
			return jsonError(name, err)
		}
	}
	return nil
}
