package contract_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"gxcoin.money/gx/contract"
	"gxcoin.money/gx/contract/contracttest"
	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/qirat"
)

// An export is the whole state, page by page, whatever the values are.
func TestExportState(t *testing.T) {
	l := contracttest.Open(t, "DE", "LK")
	ids := l.Join(t, "DE", 7)
	l.Apply(t, contracttest.Pay(ids[0], ids[1], 5*qirat.PerGX))
	state := l.State()
	types := map[string]bool{}
	for key := range state {
		types[strings.Split(key, "\x00")[1]] = true
	}
	for _, size := range []string{"1", "2", "3", "500"} {
		got := map[string][]byte{}
		for objectType := range types {
			prefix, _ := json.Marshal([]string{objectType})
			for bookmark := ""; ; {
				var page contract.ExportPage
				if err := l.Query(&page, contract.ExportFunction, string(prefix), size, bookmark); err != nil {
					t.Fatal(err)
				}
				for _, x := range page.Items {
					got["\x00"+strings.Join(x.Key, "\x00")+"\x00"] = x.Value
				}
				if bookmark = page.Bookmark; bookmark == "" {
					break
				}
			}
		}
		if diff := cmp.Diff(state, got); diff != "" {
			t.Fatalf("pages of %s: -state +export\n%s", size, diff)
		}
	}
	var page contract.ExportPage
	if err := l.Query(&page, contract.ExportFunction, `["tx","`+ids[1]+`"]`, "10", ""); err != nil || len(page.Items) != 2 {
		t.Errorf("the history of a person: %v, %v", page, err)
	}
	if err := l.Query(&page, contract.ExportFunction, `["acct","`+ids[1]+`"]`, "1", ""); err != nil || len(page.Items) != 1 || page.Bookmark != "" {
		t.Errorf("one key: %v, %v", page, err)
	}
}

func TestExportKeys(t *testing.T) {
	l := contracttest.Open(t, "DE")
	id := l.Join(t, "DE", 1)[0]
	var got []contract.Exported
	keys := [][]string{{"acct", id}, {"acct", "nobody"}, {"sys", "status"}}
	list, _ := json.Marshal(keys)
	if err := l.Query(&got, contract.ExportKeysFunction, string(list)); err != nil {
		t.Fatal(err)
	}
	state := l.State()
	want := []contract.Exported{{keys[0], state["\x00acct\x00"+id+"\x00"]}, {keys[2], state["\x00sys\x00status\x00"]}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestExportFirst(t *testing.T) {
	l := contracttest.Open(t, "DE")
	id := l.Join(t, "DE", 1)[0]
	l.Apply(t, contracttest.Pay(id, account.CharitablePool, 1))
	var page contract.ExportPage
	if err := l.Query(&page, contract.ExportFunction, `["tx","`+id+`"]`, "10", ""); err != nil || len(page.Items) != 2 {
		t.Fatalf("%v, %v", page, err)
	}
	var got []contract.Exported
	list, _ := json.Marshal([][]string{{"tx", id}, {"tx", "nobody"}, page.Items[1].Key[:4], page.Items[1].Key})
	if err := l.Query(&got, contract.ExportFirstFunction, string(list)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]contract.Exported{page.Items[0], page.Items[1], page.Items[1]}, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestExportAccount(t *testing.T) {
	l := contracttest.Open(t, "DE")
	id := l.Join(t, "DE", 1)[0]
	for account, want := range map[string]contract.Flow{
		id:                      {},
		account.UserGenesisPool: {Out: 500_000_000},
		"treasury_DE":           {In: 50_000_000},
	} {
		var got contract.AccountExport
		if err := l.Query(&got, contract.ExportAccountFunction, account); err != nil || got.Account == nil || got.Flow != want {
			t.Errorf("%s: %+v, %v; want the flow %v", account, got, err, want)
		}
	}
	var none contract.AccountExport
	if err := l.Query(&none, contract.ExportAccountFunction, "nobody"); err != nil || none.Account != nil {
		t.Errorf("nobody: %+v, %v", none, err)
	}
}

func TestExportRefuses(t *testing.T) {
	l := contracttest.Open(t, "DE")
	before := maps.Clone(l.State())
	for _, call := range [][]string{
		{contract.ExportFunction, "acct", "10", ""}, {contract.ExportFunction, `[]`, "10", ""}, {contract.ExportFunction, `[""]`, "10", ""},
		{contract.ExportFunction, `["acct\u0000"]`, "10", ""}, {contract.ExportFunction, `["acct"]`, "0", ""}, {contract.ExportFunction, `["acct"]`, "501", ""},
		{contract.ExportFunction, `["acct"]`, "10", "?"}, {contract.ExportFunction, `{}`, "10", ""},
		{contract.ExportFirstFunction, `[["acct"],[]]`}, {contract.ExportKeysFunction, `[[]]`}, {contract.ExportKeysFunction, `["acct"]`}, {contract.ExportKeysFunction, "[" + strings.Repeat(`["a"],`, 500) + `["a"]]`},
	} {
		_, err := l.Simulate(contract.Caller{ID: "anyone"}, call[0], call[1:]...)
		wantError(t, err, contract.CodeInvalidArgument, ": ")
	}
	if diff := cmp.Diff(before, l.State()); diff != "" {
		t.Error(diff)
	}
}
