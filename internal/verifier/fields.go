package verifier

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// fields are the named values of one row. Those that the ledger derives are
// compared with a row of the read model, which may have more.
type fields map[string]any

// difference is a field in which two sides differ.
type difference struct {
	field, ledger, read string
}

// compare returns the differences between what the ledger wants and a row.
func compare(want, row fields) []difference {
	var out []difference
	for _, name := range slices.Sorted(maps.Keys(want)) {
		w, r := reflect.ValueOf(want[name]), reflect.ValueOf(row[name])
		if isList(w) {
			out = append(out, compareLists(name, w, r)...)
		} else if a, b := text(w), text(r); a != b {
			out = append(out, difference{name, strconv.Quote(a), strconv.Quote(b)})
		}
	}
	return out
}

func isList(v reflect.Value) bool {
	return v.IsValid() && (v.Kind() == reflect.Slice && v.Type().Elem().Kind() != reflect.Uint8 || v.Kind() == reflect.Array)
}

// compareLists names the first element in which lists differ.
func compareLists(name string, want, row reflect.Value) []difference {
	length := 0
	if isList(row) {
		length = row.Len()
	}
	item := func(list reflect.Value, length, i int) string {
		if i >= length {
			return "nothing"
		}
		return strconv.Quote(text(list.Index(i)))
	}
	for i := range max(want.Len(), length) {
		if a, b := item(want, want.Len(), i), item(row, length, i); a != b {
			return []difference{{fmt.Sprintf("%s[%d]", name, i), a, b}}
		}
	}
	return nil
}

// text writes a value as both sides would: times in whole seconds, which is how
// contracts see them, and what is absent as nothing.
func text(v reflect.Value) string {
	for v.IsValid() && (v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface) {
		v = v.Elem()
	}
	if !v.IsValid() {
		return ""
	}
	switch v.Kind() {
	case reflect.String:
		return v.String()
	case reflect.Bool:
		return strconv.FormatBool(v.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return strconv.FormatInt(v.Int(), 10)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return strconv.FormatUint(v.Uint(), 10)
	case reflect.Slice:
		if b, ok := v.Interface().([]byte); ok {
			return string(b)
		}
	}
	if t, ok := v.Interface().(time.Time); ok {
		return t.UTC().Truncate(time.Second).Format(time.RFC3339)
	}
	return fmt.Sprint(v.Interface())
}

// summary writes fields in one line.
func summary(f fields) string {
	parts := make([]string, 0, len(f))
	for _, name := range slices.Sorted(maps.Keys(f)) {
		v := reflect.ValueOf(f[name])
		if !isList(v) {
			parts = append(parts, name+"="+text(v))
			continue
		}
		items := make([]string, v.Len())
		for i := range items {
			items[i] = text(v.Index(i))
		}
		parts = append(parts, name+"=["+strings.Join(items, " ")+"]")
	}
	return "{" + strings.Join(parts, " ") + "}"
}
