package event

import (
	"bytes"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

var update = flag.Bool("update", false, "rewrite the schema files in api/events")

const schemaDir = "../../api/events"

func schemaFiles(t *testing.T) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	add := func(name string, schema []byte, err error) {
		if err != nil {
			t.Fatal(err)
		}
		files[name+".v1.json"] = schema
	}
	schema, err := EnvelopeSchema()
	add("envelope", schema, err)
	for _, d := range All() {
		schema, err := Schema(d)
		add(string(d.Type), schema, err)
	}
	return files
}

func TestKF10SchemaFiles(t *testing.T) {
	want := schemaFiles(t)
	if *update {
		if err := os.MkdirAll(schemaDir, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, schema := range want {
			if err := os.WriteFile(filepath.Join(schemaDir, name), schema, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	got := map[string][]byte{}
	err := fs.WalkDir(os.DirFS(schemaDir), ".", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		got[path], err = os.ReadFile(filepath.Join(schemaDir, path))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for name := range got {
		if want[name] == nil {
			t.Errorf("api/events/%s belongs to no event", name)
		}
	}
	for name, schema := range want {
		if !bytes.Equal(got[name], schema) {
			t.Errorf("api/events/%s is stale; rewrite it with: go generate ./protocol/event\n%s", name, cmp.Diff(string(got[name]), string(schema)))
		}
	}
}

func compile(t *testing.T, schema []byte) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		t.Fatal(err)
	}
	id := doc.(map[string]any)["$id"].(string)
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource(id, doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(id)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func validate(t *testing.T, s *jsonschema.Schema, data []byte) error {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatalf("%v: %s", err, data)
	}
	return s.Validate(v)
}

func TestSchemaAcceptsSamples(t *testing.T) {
	for _, e := range samples() {
		d, _ := Lookup(e.EventType())
		r := record(t, e)
		schema, err := Schema(d)
		if err != nil {
			t.Fatal(err)
		}
		if err := validate(t, compile(t, schema), r.Data); err != nil {
			t.Errorf("%s: %v\n%s", d.Type, err, r.Data)
		}
	}
	schema, err := EnvelopeSchema()
	if err != nil {
		t.Fatal(err)
	}
	if err := validate(t, compile(t, schema), encode(t, sampleEnvelope(t))); err != nil {
		t.Error(err)
	}
}

// Each break is refused by the schema and by the decoder alike.
func TestBrokenEvents(t *testing.T) {
	decoders := map[string]func([]byte) error{}
	schemas := map[string]*jsonschema.Schema{}
	whole := map[string][]byte{}
	for name, schema := range schemaFiles(t) {
		name = strings.TrimSuffix(name, ".v1.json")
		schemas[name] = compile(t, schema)
		decoders[name] = func(data []byte) error {
			_, err := Decode(Record{Type: Type(name), Version: "1.0", Data: data})
			return err
		}
	}
	decoders["envelope"] = func(data []byte) error { _, err := DecodeEnvelope(data); return err }
	whole["envelope"] = encode(t, sampleEnvelope(t))
	for _, e := range samples() {
		whole[string(e.EventType())] = record(t, e).Data
	}

	check := func(name, what string, data []byte) {
		t.Helper()
		if validate(t, schemas[name], data) == nil {
			t.Errorf("schema of %s accepts %s: %s", name, what, data)
		}
		if decoders[name](data) == nil {
			t.Errorf("decoder of %s accepts %s: %s", name, what, data)
		}
	}
	for name, data := range whole {
		object := members(t, data)
		add := append([]member{{"surprise", jsontext.Value(`1`)}}, object...)
		check(name, "an unknown member", join(add))
		for i, m := range object {
			dropped := slices.Delete(slices.Clone(object), i, i+1)
			if !optional[name+"."+m.name] {
				check(name, "no "+m.name, join(dropped))
			}
			for _, wrong := range wrongFor(m.value) {
				changed := slices.Clone(object)
				changed[i].value = jsontext.Value(wrong)
				check(name, wrong+" for "+m.name, join(changed))
			}
		}
	}
}

// optional lists the members that are absent when they have nothing to say.
var optional = map[string]bool{
	"GenesisDistributed.velocityTimerStart": true,
	"TransferCompleted.feeRecipient":        true,
	"TransferCompleted.fromBalanceAfter":    true, "TransferCompleted.toBalanceAfter": true,
	"TransferCompleted.fromVelocityTimerStart": true, "TransferCompleted.toVelocityTimerStart": true,
	"InternalTransfer.fromBalanceAfter": true, "InternalTransfer.toBalanceAfter": true,
	"InternalTransfer.fromVelocityTimerStart": true, "InternalTransfer.toVelocityTimerStart": true,
	"PoolDisbursed.recipientBalanceAfter": true, "PoolDisbursed.recipientVelocityTimerStart": true,
	"LoanApproved.borrowerVelocityTimerStart": true, "LoanRepaid.payerVelocityTimerStart": true,
	"MultiSigTxInitiated.fromID": true, "MultiSigTxInitiated.toID": true, "MultiSigTxInitiated.rule": true,
	"VelocityTaxApplied.velocityTimerStart": true, "VelocityTaxExemptionChanged.velocityTimerStart": true,
}

// wrongFor returns values that must not stand where value does.
func wrongFor(value jsontext.Value) []string {
	wrong := []string{`null`, `{"x":1}`}
	text := strings.Trim(string(value), `"`)
	switch _, err := time.Parse(time.RFC3339, text); {
	case err == nil:
		wrong = append(wrong, `"2026-02-30T00:00:00Z"`, `"yesterday"`, `1770076800`)
	case value.Kind() == '"' && strings.Trim(text, "0123456789") == "":
		wrong = append(wrong, `"-1"`, `"01"`, `"1.5"`, `"1e9"`, `""`, `10`, `"`+strings.Repeat("9", 40)+`"`)
	case value.Kind() == '"':
		wrong = append(wrong, `1`, `["x"]`)
	case value.Kind() == '0':
		wrong = append(wrong, `1.5`, `"1"`)
	}
	return wrong
}

type member struct {
	name  string
	value jsontext.Value
}

func members(t *testing.T, object []byte) []member {
	t.Helper()
	var out []member
	d := jsontext.NewDecoder(bytes.NewReader(object))
	if _, err := d.ReadToken(); err != nil {
		t.Fatal(err)
	}
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			t.Fatal(err)
		}
		m := member{name: name.String()}
		value, err := d.ReadValue()
		if err != nil {
			t.Fatal(err)
		}
		m.value = value.Clone()
		out = append(out, m)
	}
	return out
}

func join(object []member) []byte {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range object {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`"` + m.name + `":`)
		b.Write(m.value)
	}
	b.WriteByte('}')
	return b.Bytes()
}
