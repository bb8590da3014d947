package service_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
)

var hostileHeaders = map[string][]string{
	"Idempotency-Key": {"", "short", strings.Repeat("k", 300), "with\x00nul-and-more", "ключ-который-длинный", "'; DROP TABLE app.commands; --"},
	"Authorization":   {"", "Bearer", "Bearer ", "bearer x", "Basic b3duZXI6eA==", "Bearer a.b.c", "Bearer eyJhbGciOiJub25lIn0.e30.", "Bearer " + strings.Repeat("x", 8000), "Bearer \xff\xfe"},
	"X-Request-Id":    {"a\nb: c", strings.Repeat("r", 5000), "\x00", "<script>"},
	"Traceparent":     {"00-0-0-0", "00-" + strings.Repeat("f", 32) + "-" + strings.Repeat("f", 16) + "-ff", "zz", strings.Repeat("0", 5000)},
	"Tracestate":      {strings.Repeat("a=b,", 3000), "=", "\xff"},
	"Gx-After":        {"", "x", "00000000-0000-0000-0000-00000000000", "1' OR '1'='1"},
	"Prefer":          {"wait", "wait=", "wait=-1", "wait=99999999999999999999", "wait=0x5", "respond-async, wait=\"", strings.Repeat("wait=0,", 900)},
	"Accept":          {"text/html", "*/*;q=0", "application/xml", strings.Repeat("a/b,", 2000), "\xff"},
	"X-Forwarded-For": {"999.1.1.1", "::1, 127.0.0.1", strings.Repeat("10.0.0.1,", 900), "unknown", "\x00"},
	"If-None-Match":   {"*", "\"", "W/\"" + strings.Repeat("e", 4000) + "\""},
	"Range":           {"bytes=0-0,1-1,2-2", "bytes=-1"},
	"Last-Event-Id":   {"-1", "99999999999999999999", "x"},
	"Content-Length":  {"-1"},
}

func (f *fuzzer) oneOf(values ...string) string { return values[f.rand.IntN(len(values))] }

// text returns a string that breaks what is not careful.
func (f *fuzzer) text() string {
	return f.oneOf("", " ", "-", "\x00", "a\x00b", "\n\r\t", "\u202eabc", "e\u0301", "\u0130", "ẞ", "👩‍👩‍👧‍👦", "\ufeff", "\ufdd0", "١٢٣", "ＡＢ",
		strings.Repeat("A", 300), strings.Repeat("é", 3000), strings.Repeat("x", 70_000), "'; DROP TABLE app.people; --", "' OR 1=1", "%", "_", "\\", "\"",
		"../../etc/passwd", "..", "%00", "%2e%2e%2f", "${x}", "<script>", "{}", "null", "true", "me", "NaN", "Infinity", "-0", "-1", "0", "00", "+1", "1.5", "1e9", "1_000",
		"0x10", "9007199254740993", "9223372036854775808", "18446744073709551617", strings.Repeat("9", 400), "2026-02-30", "2026-13-45T99:99:99Z", "0000-00-00", "9999-12-31",
		"00000000-0000-0000-0000-000000000000", "{"+uuid.Nil.String()+"}", f.own.gx, f.other.profile.String(), "SYSTEM_GX_POOL", "a@b", "=?utf-8?q?a?=@example.org")
}

// known returns what a member or parameter of this name holds in a right request.
func (f *fuzzer) known(name string) string {
	switch name {
	case "profileId", "borrowerId":
		return f.oneOf(f.own.profile.String(), "me", f.own.gx)
	case "userId", "userIds":
		return f.oneOf(f.own.profile.String(), f.other.profile.String(), f.newcomer.profile.String())
	case "walletId", "toID", "toUserId":
		return f.oneOf(f.own.gx, f.other.gx)
	case "fromUserId":
		return f.own.gx
	case "countryCode", "country":
		return f.oneOf("CH", "GH")
	case "paramId", "paramID":
		return "fee.b2b.local"
	case "amount":
		return f.oneOf("1", "1000", "1000000", "499000000")
	case "email":
		return fmt.Sprintf("x%d@example.org", f.rand.Uint64())
	case "username":
		return fmt.Sprintf("x%d", f.rand.Uint64())
	case "password", "currentPassword", "newPassword", "confirmPassword":
		return secret
	case "dateOfBirth":
		return "1990-02-28"
	case "gender":
		return "FEMALE"
	case "fname", "lname", "displayName":
		return "Grace"
	case "Idempotency-Key":
		return fmt.Sprintf("hostile-%d", f.rand.Uint64())
	case "reason", "notes", "remark":
		return "Because of a good reason."
	case "adminId":
		return f.colleague.String()
	case "approvalId", "sessionId", "id":
		return uuid.NewString()
	}
	if id := f.things.Replace("{" + name + "}"); id[0] != '{' {
		return id
	}
	return ""
}

// parameter returns a right value of a parameter outside the body.
func (f *fuzzer) parameter(name string, schema map[string]any) string {
	if text := f.known(name); text != "" {
		return text
	}
	if text, ok := f.value(name, schema, 0, func() bool { return false }).(string); ok {
		return text
	}
	return "1"
}

// maxNesting bounds what is generated from schemas that contain themselves.
const maxNesting = 8

// value returns a value as a schema wants it, but for what is harmed.
func (f *fuzzer) value(name string, schema map[string]any, depth int, harm func() bool) any {
	if ref, ok := schema["$ref"].(string); ok {
		schema, _ = f.schemas[strings.TrimPrefix(ref, "#/components/schemas/")].(map[string]any)
	}
	if harm() || depth > maxNesting {
		return f.hostile()
	}
	if values, ok := schema["enum"].([]any); ok {
		return values[f.rand.IntN(len(values))]
	}
	kind, _ := schema["type"].(string)
	if kinds, ok := schema["type"].([]any); ok {
		kind, _ = kinds[f.rand.IntN(len(kinds))].(string)
	}
	switch kind {
	case "object":
		out := map[string]any{}
		required, _ := schema["required"].([]any)
		properties, _ := schema["properties"].(map[string]any)
		for _, member := range slices.Sorted(maps.Keys(properties)) {
			needed := slices.Contains(required, any(member))
			if harm() && needed || !needed && f.rand.IntN(2) == 0 {
				continue
			}
			value := f.value(member, properties[member].(map[string]any), depth+1, harm)
			if harm() {
				member = strings.ToUpper(member) // a name is not its like
			}
			out[member] = value
		}
		if harm() {
			out[f.text()] = f.hostile()
		}
		return out
	case "array":
		items, _ := schema["items"].(map[string]any)
		out := []any{}
		n := 1 + f.rand.IntN(2)
		if harm() {
			n = []int{0, 101, 1001}[f.rand.IntN(3)]
		}
		for range n {
			out = append(out, f.value(name, items, depth+1, harm))
		}
		return out
	case "string":
		return f.string(name, schema)
	case "integer", "number":
		low, _ := schema["minimum"].(float64)
		return int64(low) + f.rand.Int64N(3)
	case "boolean":
		return f.rand.IntN(2) == 0
	case "null":
		return nil
	}
	return map[string]any{}
}

func (f *fuzzer) string(name string, schema map[string]any) string {
	if text := f.known(name); text != "" {
		return text
	}
	if examples, ok := schema["examples"].([]any); ok {
		if text, ok := examples[0].(string); ok {
			return text
		}
	}
	switch schema["format"] {
	case "uuid":
		return uuid.NewString()
	case "date-time":
		return "2026-03-01T12:00:00Z"
	}
	if pattern, _ := schema["pattern"].(string); strings.Contains(pattern, "{64}") {
		return strings.Repeat("0a", 32)
	}
	least, _ := schema["minLength"].(float64)
	return strings.Repeat("a", max(int(least), 3))
}

// hostile returns a value of any type.
func (f *fuzzer) hostile() any {
	switch f.rand.IntN(12) {
	case 0:
		return nil
	case 1:
		return f.rand.IntN(2) == 0
	case 2:
		return jsontext.Value(f.oneOf("-1", "0", "1.5", "-0", "1e-9", "1e308", "1e400", "9007199254740993", "9223372036854775808", "-9223372036854775809", strings.Repeat("9", 500)))
	case 3:
		return []any{}
	case 4:
		return map[string]any{}
	case 5:
		n := []int{3, 30, 5000}[f.rand.IntN(3)]
		return jsontext.Value(strings.Repeat("[", n) + strings.Repeat("]", n))
	case 6:
		return slices.Repeat([]any{f.text()}, []int{2, 500}[f.rand.IntN(2)])
	}
	return f.text()
}

// mangle breaks the text of a body.
func (f *fuzzer) mangle(body string) string {
	at := f.rand.IntN(len(body) + 1)
	inside := strings.TrimSuffix(strings.TrimPrefix(body, "{"), "}")
	return f.oneOf("", "null", "[]", "{", "{}", "\"", "0", body[:at], body[:at]+"\xff"+body[at:], body[:at]+"\x00"+body[at:], body[:at]+`\ud800`+body[at:],
		"\ufeff"+body, body+body, body+"x", body+strings.Repeat(" ", 70_000), "["+body+"]", "{"+inside+","+inside+"}", "{"+inside+",}", "/**/"+body,
		strings.ReplaceAll(body, `"`, "'"), strings.ToUpper(body), strings.Repeat(`{"a":`, 6000), strings.Repeat("[", 60_000), `{"__proto__":{}}`)
}
