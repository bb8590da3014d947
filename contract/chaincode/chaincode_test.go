package chaincode

import (
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hyperledger/fabric-chaincode-go/v2/shim"
	"github.com/hyperledger/fabric-protos-go-apiv2/ledger/queryresult"
	"github.com/hyperledger/fabric-protos-go-apiv2/msp"
	"github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"gxcoin.money/gx/contract"
	"gxcoin.money/gx/internal/fabric/pki"
	"gxcoin.money/gx/protocol/role"
)

// fake is a peer's stub with a state of sorted keys.
type fake struct {
	shim.ChaincodeStubInterface
	args    []string
	creator []byte
	keys    []string
	down    error // of the peer
	writes  map[string]string
	batches int
}

func (f *fake) GetFunctionAndParameters() (string, []string) { return f.args[0], f.args[1:] }
func (f *fake) GetTxID() string                              { return "tx" }
func (f *fake) GetChannelID() string                         { return "gxchannel" }
func (f *fake) GetCreator() ([]byte, error)                  { return f.creator, nil }
func (f *fake) StartWriteBatch()                             { f.batches++ }
func (f *fake) FinishWriteBatch() error                      { return f.down }
func (f *fake) SetEvent(string, []byte) error                { return nil }
func (f *fake) GetTxTimestamp() (*timestamppb.Timestamp, error) {
	return timestamppb.New(time.Unix(100, 5)), nil
}
func (f *fake) GetState(string) ([]byte, error) { return []byte{}, f.down }
func (f *fake) GetMultipleStates(keys ...string) ([][]byte, error) {
	return make([][]byte, len(keys)), f.down
}
func (f *fake) PutState(key string, value []byte) error {
	f.writes[key] = string(value)
	return f.down
}
func (f *fake) GetStateByRange(start, end string) (shim.StateQueryIteratorInterface, error) {
	return f.between(start, end), f.down
}
func (f *fake) GetStateByRangeWithPagination(start, end string, page int32, _ string) (shim.StateQueryIteratorInterface, *peer.QueryResponseMetadata, error) {
	keys := f.between(start, end)
	keys.left = keys.left[:min(int(page), len(keys.left))]
	return keys, nil, f.down
}
func (f *fake) between(start, end string) *iterator {
	var keys []string
	for _, k := range f.keys {
		if start <= k && k < end {
			keys = append(keys, k)
		}
	}
	return &iterator{left: keys}
}

type iterator struct{ left []string }

func (i *iterator) HasNext() bool { return len(i.left) > 0 }
func (i *iterator) Close() error  { return nil }
func (i *iterator) Next() (*queryresult.KV, error) {
	kv := &queryresult.KV{Key: i.left[0], Value: []byte("v")}
	i.left = i.left[1:]
	return kv, nil
}

// creator is an identity as a Fabric CA would issue it.
func creator(t *testing.T, attributes map[string]string) []byte {
	t.Helper()
	o, err := pki.Open(t.TempDir(), "Org1MSP", "org1.gx", pki.Policy{Now: time.Now(), Life: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.Ensure("client", pki.Client, nil, attributes); err != nil {
		t.Fatal(err)
	}
	certificate, err := os.ReadFile(o.CertFile("client"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := proto.Marshal(&msp.SerializedIdentity{Mspid: "Org1MSP", IdBytes: certificate})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func invoke(t *testing.T, f *fake, cc contract.Chaincode) *peer.Response {
	t.Helper()
	if f.creator == nil {
		f.creator = creator(t, map[string]string{"gxc_role": "gx_admin"})
	}
	if f.args == nil {
		f.args = []string{"Test:Run"}
	}
	f.writes = make(map[string]string)
	return adapter{Options{Chaincode: cc, Metadata: []byte("{}"), Log: slog.New(slog.DiscardHandler)}}.Invoke(f)
}

func TestCaller(t *testing.T) {
	var got contract.Caller
	cc := func(s contract.Stub, function string, args []string) ([]byte, error) {
		got = s.Caller()
		if s.TxID() != "tx" || s.Channel() != "gxchannel" || !s.Time().Equal(time.Unix(100, 5)) || s.Time().Location() != time.UTC {
			t.Errorf("%s, %s, %v", s.TxID(), s.Channel(), s.Time())
		}
		return []byte(function + " " + strings.Join(args, ",")), nil
	}
	r := invoke(t, &fake{args: []string{"A:B", "c", "\xff"}, creator: creator(t, map[string]string{"gxc_role": "gx_super_admin", "gxc_user": "LK FF3"})}, cc)
	if r.Status != shim.OK || string(r.Payload) != "A:B c,\xff" {
		t.Errorf("%d %s %q", r.Status, r.Message, r.Payload)
	}
	want := contract.Caller{MSP: "Org1MSP", Role: role.SuperAdmin, User: "LK FF3", ID: "x509::CN=client.org1.gx,OU=client::CN=ca.org1.gx,O=org1.gx"}
	if got != want {
		t.Errorf("the caller is %+v, want %+v", got, want)
	}
	invoke(t, &fake{creator: creator(t, nil)}, cc)
	if got.Role != "" || got.User != "" || got.MSP != "Org1MSP" {
		t.Errorf("without attributes the caller is %+v", got)
	}
	if r := invoke(t, &fake{creator: []byte("garbage")}, cc); r.Status != Failed {
		t.Errorf("without certificate: %d %s", r.Status, r.Message)
	}
}

func TestOutcomes(t *testing.T) {
	down := errors.New("the peer is down")
	scan := func(s contract.Stub, limit int) error {
		return s.Scan("a", "b", limit, func(string, []byte) bool { return true })
	}
	for name, test := range map[string]struct {
		down    error
		run     func(s contract.Stub) error
		status  int32
		message string
	}{
		"success":                      {nil, func(s contract.Stub) error { return s.Put("k", []byte("v")) }, shim.OK, ""},
		"refusal":                      {nil, func(contract.Stub) error { return errors.New("NOT_ELIGIBLE: \xff") }, Refused, "NOT_ELIGIBLE: \uFFFD"},
		"panic":                        {nil, func(contract.Stub) error { panic("x") }, Refused, "INTERNAL: the contract panicked"},
		"the peer fails":               {down, func(s contract.Stub) error { _, err := s.Get("k"); return err }, Failed, down.Error()},
		"the contract does not mind":   {down, func(s contract.Stub) error { _, _ = s.Get("k"); return nil }, Failed, down.Error()},
		"the peer takes no writes":     {down, func(contract.Stub) error { return nil }, Failed, down.Error()},
		"empty key":                    {nil, func(s contract.Stub) error { _, err := s.Get(""); return err }, Refused, "a key is empty"},
		"key that is not text":         {nil, func(s contract.Stub) error { _, err := s.GetMany([]string{"k", "\xff"}); return err }, Refused, `the key "\xff" is not valid UTF-8`},
		"empty value":                  {nil, func(s contract.Stub) error { return s.Put("k", nil) }, Refused, `the value of key "k" is empty`},
		"event without name":           {nil, func(s contract.Stub) error { return s.SetEvent("", nil) }, Refused, `"" is no name of an event`},
		"scan without bound":           {nil, func(s contract.Stub) error { return s.Scan("a", "", 0, nil) }, Refused, "a scan needs both bounds: a key is empty"},
		"write after a scan":           {nil, func(s contract.Stub) error { return errors.Join(scan(s, 0), s.Put("k", []byte("v"))) }, shim.OK, ""},
		"write after a limited scan":   {nil, func(s contract.Stub) error { return errors.Join(scan(s, 1), s.Put("k", []byte("v"))) }, Refused, "INTERNAL: Test:Run writes after a limited scan, which is not checked at commit"},
		"a limited scan, then nothing": {nil, func(s contract.Stub) error { return scan(s, 1) }, shim.OK, ""},
	} {
		f := &fake{down: test.down}
		r := invoke(t, f, func(s contract.Stub, _ string, _ []string) ([]byte, error) { return nil, test.run(s) })
		if r.Status != test.status || r.Message != test.message {
			t.Errorf("%s: %d %q, want %d %q", name, r.Status, r.Message, test.status, test.message)
		}
		if f.batches != 1 {
			t.Errorf("%s: %d batches", name, f.batches)
		}
	}
}

func TestAbsentValuesAreNil(t *testing.T) {
	r := invoke(t, &fake{}, func(s contract.Stub, _ string, _ []string) ([]byte, error) {
		one, err := s.Get("k")
		many, manyErr := s.GetMany([]string{"k", "l"})
		if one != nil || len(many) != 2 || many[0] != nil {
			t.Errorf("%v, %v", one, many)
		}
		return nil, errors.Join(err, manyErr)
	})
	if r.Status != shim.OK {
		t.Error(r)
	}
}

func TestScan(t *testing.T) {
	for name, test := range map[string]struct {
		start, end string
		limit, max int
		want       []string
	}{
		"all":            {"a", "z", 0, 9, []string{"a", "b", "c"}},
		"limited":        {"a", "z", 2, 9, []string{"a", "b"}},
		"stopped":        {"a", "z", 0, 1, []string{"a"}},
		"none":           {"d", "z", 0, 9, nil},
		"ends too early": {"c", "a", 0, 9, nil},
	} {
		var got []string
		r := invoke(t, &fake{keys: []string{"a", "b", "c"}}, func(s contract.Stub, _ string, _ []string) ([]byte, error) {
			return nil, s.Scan(test.start, test.end, test.limit, func(key string, _ []byte) bool {
				got = append(got, key)
				return len(got) < test.max
			})
		})
		if r.Status != shim.OK || !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, %v", name, got, r)
		}
	}
}

func TestMetadata(t *testing.T) {
	content, err := Metadata(contract.Functions(), "v1")
	if err != nil {
		t.Fatal(err)
	}
	var m struct {
		Contracts map[string]struct {
			Transactions []struct {
				Name string
				Tag  []string
			}
		}
	}
	if err := json.Unmarshal(content, &m); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, c := range m.Contracts {
		n += len(c.Transactions)
	}
	if n != len(contract.Functions()) {
		t.Errorf("%d of %d functions are described", n, len(contract.Functions()))
	}
	for _, f := range m.Contracts["AdminContract"].Transactions {
		want := map[string]string{"GetSystemStatus": "evaluate", "PauseSystem": "submit"}[f.Name]
		if want != "" && f.Tag[0] != want {
			t.Errorf("%s has tag %s", f.Name, f.Tag)
		}
	}
	if _, err := Metadata([]contract.Function{{Name: "Nowhere"}}, ""); err == nil {
		t.Error("a function of no contract is described")
	}
	if r := invoke(t, &fake{args: []string{MetadataFunction}}, nil); r.Status != shim.OK || string(r.Payload) != "{}" {
		t.Errorf("the function answers %v", r)
	}
}

func TestEnvironment(t *testing.T) {
	o := Options{Address: "h:1"}
	o.Environment(func(name string) string { return strings.ToLower(name) })
	if o.ID != "chaincode_id" || o.Address != "h:1" || o.Cert != "chaincode_tls_cert" || o.Key != "chaincode_tls_key" || o.Clients != "chaincode_client_ca_cert" {
		t.Errorf("%+v", o)
	}
}

func TestServeNeedsEverything(t *testing.T) {
	dir := t.TempDir()
	o, err := pki.Open(dir, "Org1MSP", "org1.gx", pki.Policy{Now: time.Now(), Life: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.Ensure("server", pki.Client, []string{"127.0.0.1"}, nil); err != nil {
		t.Fatal(err)
	}
	tls := o.TLSDir("server")
	good := Options{
		ID: "gxtv3_1:00", Address: "127.0.0.1:0", Cert: filepath.Join(tls, "cert.pem"), Key: filepath.Join(tls, "key.pem"), Clients: filepath.Join(tls, "ca.pem"),
		Chaincode: contract.Invoke,
	}
	for name, spoil := range map[string]func(o *Options){
		"no id":            func(o *Options) { o.ID = "" },
		"no chaincode":     func(o *Options) { o.Chaincode = nil },
		"no clients":       func(o *Options) { o.Clients = "" },
		"another key":      func(o *Options) { o.Key = filepath.Join(dir, "ca", "key.pem") },
		"no authority":     func(o *Options) { o.Clients = o.Key },
		"no such file":     func(o *Options) { o.Cert = "/absent" },
		"address in error": func(o *Options) { o.Address = "nowhere" },
	} {
		bad := good
		spoil(&bad)
		if err := Serve(t.Context(), bad); err == nil {
			t.Errorf("%s: served", name)
		}
	}
}
