package command

import (
	"encoding"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"
)

// args writes a payload as the arguments of a direct call.
func args(t testing.TB, p Payload) []string {
	t.Helper()
	var out []string
	v := reflect.ValueOf(p).Elem()
	for i := range v.NumField() {
		field := v.Field(i)
		switch text, ok := field.Interface().(encoding.TextMarshaler); {
		case ok:
			b, err := text.MarshalText()
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, string(b))
		case field.Kind() == reflect.Slice || field.Kind() == reflect.Struct:
			b, err := json.Marshal(field.Interface())
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, string(b))
		default:
			out = append(out, fmt.Sprint(field.Interface()))
		}
	}
	return out
}

func definition(t testing.TB, typ Type) Definition {
	t.Helper()
	d, ok := Lookup(typ)
	if !ok {
		t.Fatalf("%s is not registered", typ)
	}
	return d
}

func TestFromArgs(t *testing.T) {
	for _, p := range samples() {
		got, err := FromArgs(definition(t, p.CommandType()), args(t, p))
		if err != nil {
			t.Errorf("%s: %v", p.CommandType(), err)
			continue
		}
		if diff := cmp.Diff(p, got); diff != "" {
			t.Errorf("%s: %s", p.CommandType(), diff)
		}
	}
}

func TestFromArgsErrors(t *testing.T) {
	const digits = "an amount is a string of decimal digits without sign, fraction, exponent or leading zero"
	for _, c := range []struct {
		typ  Type
		args []string
		want string
	}{
		{TypeBootstrapSystem, []string{""}, "payload: takes 0 arguments (), not 1"},
		{TypeTransferTokens, nil, "payload: takes 5 arguments (fromID, toID, amount, typeHint, remark), not 0"},
		{TypeTransferTokens, []string{alice, bob, "1", ""}, "payload: takes 5 arguments (fromID, toID, amount, typeHint, remark), not 4"},
		{TypeTransferTokens, []string{alice, bob, "1", "", "", "key"}, "payload: takes 5 arguments (fromID, toID, amount, typeHint, remark), not 6"},
		{TypeTransferTokens, []string{alice, bob, "1.5", "", ""}, "amount: " + digits},
		{TypeTransferTokens, []string{alice, bob, " 1", "", ""}, "amount: " + digits},
		{TypeTransferTokens, []string{alice, bob, `"1"`, "", ""}, "amount: " + digits},
		{TypeTransferTokens, []string{alice, bob, "", "", ""}, "amount: " + digits},
		{TypeTransferTokens, []string{alice, bob, strings.Repeat("9", 40), "", ""}, "amount: amount is above the maximum supply"},
		{TypeTransferTokens, []string{alice, bob, "0", "", ""}, "amount: must be greater than 0"},
		{TypeTransferTokens, []string{alice, alice, "1", "gift", ""}, "toID: must differ from fromID; typeHint: must be empty, P2P, MERCHANT, GOVERNMENT or B2B"},
		{TypeCreateUser, []string{alice, hash, "LK", "022"}, "age: must be an integer within its range"},
		{TypeCreateUser, []string{alice, hash, "LK", "+22"}, "age: must be an integer within its range"},
		{TypeCreateUser, []string{alice, hash, "LK", "22.0"}, "age: must be an integer within its range"},
		{TypeCreateUser, []string{alice, hash, "LK", "99999999999999999999"}, "age: must be an integer within its range"},
		{TypeCreateUser, []string{alice, hash, "LK", "-5"}, "age: must be between 0 and 150"},
		{TypeCreateUsersBatch, []string{""}, "users: is not valid JSON"},
		{TypeCreateUsersBatch, []string{`{}`}, "users: must be a list"},
		{TypeCreateUsersBatch, []string{`[]`}, "users: must list 1 to 100 people"},
		{TypeCreateUsersBatch, []string{`[{},{"age":"x"}]`}, "users[1].age: must be an integer within its range"},
		{TypeCreateUsersBatch, []string{`[{"age":1,"age":2}]`}, "users[0].age: is given twice"},
		{TypeInitializeCountryData, []string{`[{"countryCode":"LK","weight":1}]`}, "countries[0].weight: is not a known field"},
		{TypeInitializeCountryData, []string{`[{"countryCode":"LK","weightE8":1}] x`}, "countries: is not valid JSON"},
	} {
		p, err := FromArgs(definition(t, c.typ), c.args)
		if err == nil || p != nil || err.Error() != c.want || Fields(err) == nil {
			t.Errorf("%s %.200q\n got %v, %v\nwant %s", c.typ, c.args, p, err, c.want)
		}
	}
}

// The kinds of fields that commands of today have not got.
func TestSetArg(t *testing.T) {
	var v struct {
		Bool bool
		Uint uint64
		Int  int64
	}
	target := reflect.ValueOf(&v).Elem()
	for _, c := range []struct {
		field int
		arg   string
		good  bool
	}{
		{0, "true", true}, {0, "false", true}, {0, "TRUE", false}, {0, "1", false}, {0, "", false},
		{1, "0", true}, {1, "18446744073709551615", true}, {1, "18446744073709551616", false}, {1, "-1", false}, {1, "-0", false}, {1, "01", false}, {1, "", false},
		{2, "-9223372036854775808", true}, {2, "-9223372036854775809", false}, {2, "-0", false}, {2, "1_0", false},
	} {
		err := setArg("field", target.Field(c.field), c.arg)
		if (err == nil) != c.good || c.good && fmt.Sprint(target.Field(c.field).Interface()) != c.arg {
			t.Errorf("field %d: %q: %v", c.field, c.arg, err)
		}
	}
}

func FuzzFromArgs(f *testing.F) {
	for _, p := range samples() {
		f.Add(string(p.CommandType()), strings.Join(args(f, p), "\x1f"))
	}
	f.Add(string(TypeTransferTokens), alice+"\x1f"+bob+"\x1f1.5\x1f\x1f")
	f.Add(string(TypeCreateUsersBatch), `[{"age":1,"age":2}]`)
	f.Fuzz(func(t *testing.T, typ, joined string) {
		d, ok := Lookup(Type(typ))
		if !ok {
			return
		}
		given := strings.Split(joined, "\x1f")
		if len(d.Args()) == 0 {
			given = nil
		}
		p, err := FromArgs(d, given)
		if err != nil {
			if Fields(err) == nil {
				t.Fatalf("%q: %v names no field", given, err)
			}
			return
		}
		// The same payload by the other way in.
		data, err := Encode(p)
		if err != nil {
			t.Fatalf("%q: %v", given, err)
		}
		q, err := Decode(d.Type, data)
		if err != nil {
			t.Fatalf("%q: %v", given, err)
		}
		if diff := cmp.Diff(p, q); diff != "" {
			t.Fatalf("%q: %s", given, diff)
		}
	})
}

func FuzzDecode(f *testing.F) {
	for _, p := range samples() {
		data, err := Encode(p)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(p.CommandType()), []byte(data))
	}
	f.Add(string(TypeTransferTokens), []byte(`{"amount":10}`))
	f.Add(string(TypeCreateUsersBatch), []byte(`{"users":[{"a/~1b":1}]}`))
	f.Fuzz(func(t *testing.T, typ string, data []byte) {
		p, err := Decode(Type(typ), data)
		if err != nil {
			if _, known := Lookup(Type(typ)); known != (Fields(err) != nil) {
				t.Fatalf("%s %q: %v", typ, data, err)
			}
			for _, field := range Fields(err) {
				if field.Field == "" || field.Message == "" {
					t.Fatalf("%s %q: %+v", typ, data, field)
				}
			}
			return
		}
		if len(p.Lanes()) == 0 {
			t.Fatalf("%s %q has no lanes", typ, data)
		}
		again, err := Encode(p)
		if err != nil {
			t.Fatalf("%s %q: %v", typ, data, err)
		}
		q, err := Decode(Type(typ), again)
		if err != nil {
			t.Fatalf("%s %q: %v", typ, again, err)
		}
		if diff := cmp.Diff(p, q); diff != "" {
			t.Fatalf("%s %q: %s", typ, data, diff)
		}
	})
}
