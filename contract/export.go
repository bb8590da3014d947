package contract

import (
	"fmt"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"gxcoin.money/gx/protocol/command"
)

// What the state is compared with elsewhere is read by these queries. Nothing
// but the contracts writes it.
const (
	// ExportFunction takes the object type and maybe the first attributes of
	// keys, as a JSON list, the size of a page and a bookmark, and returns an
	// ExportPage.
	ExportFunction = command.AdminContract + ":ExportState"
	// ExportKeysFunction takes a JSON list of keys and returns a JSON list of
	// the Exported that exist.
	ExportKeysFunction = command.AdminContract + ":ExportKeys"
	// ExportFirstFunction takes a JSON list of prefixes and returns a JSON list
	// of the first Exported below each that has any.
	ExportFirstFunction = command.AdminContract + ":ExportFirst"
	// ExportAccountFunction takes the id of an account and returns an
	// AccountExport.
	ExportAccountFunction = command.AdminContract + ":ExportAccount"
)

// MaxExport is how many keys an export returns at most.
const MaxExport = 500

// Exported is one key of the state with its value.
type Exported struct {
	Key   []string `json:"key"` // object type and attributes
	Value []byte   `json:"value"`
}

// ExportPage is part of the state, in key order. Bookmark continues it; it is
// empty on the last page.
type ExportPage struct {
	Items    []Exported `json:"items"`
	Bookmark string     `json:"bookmark"`
}

// AccountExport is an account with its money as of one block.
type AccountExport struct {
	Account *Account `json:"account"` // nil when there is none
	Flow    Flow     `json:"flow"`    // of a collective account, delta rows and what is folded together
}

// Parts of the state that are read elsewhere too.
type (
	Flow    = flow
	Receipt = receipt
)

// ObjectionTime is how long the owner can object to a confirmed recovery.
const ObjectionTime time.Duration = objectionTime

func init() {
	query(command.AdminContract, "ExportState", []string{"prefix", "pageSize", "bookmark"}, exportState)
	query(command.AdminContract, "ExportKeys", []string{"keys"}, exportKeys)
	query(command.AdminContract, "ExportFirst", []string{"prefixes"}, exportFirst)
	query(command.AdminContract, "ExportAccount", []string{"accountID"}, func(t *tx, args []string) (*AccountExport, error) {
		a, err := load[Account](t, accountKey(args[0]))
		if err != nil || a == nil {
			return &AccountExport{}, err
		}
		if a.AccountID = args[0]; !a.collective() {
			return &AccountExport{Account: a}, nil
		}
		f, err := t.flows(a)
		return &AccountExport{a, f}, err
	})
}

func exportState(t *tx, args []string) (*ExportPage, error) {
	var parts []string
	if err := json.Unmarshal([]byte(args[0]), &parts); err != nil || !keyParts(parts) {
		return nil, refuse(CodeInvalidArgument, "prefix: must be a list of an object type and attributes")
	}
	limit, err := pageSize(args[1], MaxExport)
	if err != nil {
		return nil, err
	}
	prefix := compositeKey(parts[0], parts[1:]...)
	start, err := afterBookmark(prefix, args[2])
	if err != nil {
		return nil, err
	}
	out := &ExportPage{Items: []Exported{}}
	var last string
	if err := t.stub.Scan(start, prefix+endOfKeys, limit+1, func(key string, value []byte) bool {
		if len(out.Items) == limit {
			out.Bookmark = bookmarkOf(prefix, last)
			return false
		}
		out.Items = append(out.Items, exported(key, value))
		last = key
		return true
	}); err != nil {
		return nil, fmt.Errorf("scan state: %w", err)
	}
	return out, nil
}

func exportKeys(t *tx, args []string) ([]Exported, error) {
	keys, err := exportList(args[0])
	if err != nil {
		return nil, err
	}
	if err := t.prefetch(keys); err != nil {
		return nil, err
	}
	out := []Exported{}
	for _, key := range keys {
		value, err := t.get(key)
		if err != nil {
			return nil, err
		}
		if value != nil {
			out = append(out, exported(key, value))
		}
	}
	return out, nil
}

func exportFirst(t *tx, args []string) ([]Exported, error) {
	prefixes, err := exportList(args[0])
	if err != nil {
		return nil, err
	}
	out := []Exported{}
	for _, prefix := range prefixes {
		if err := t.stub.Scan(prefix, prefix+endOfKeys, 1, func(key string, value []byte) bool {
			out = append(out, exported(key, value))
			return false
		}); err != nil {
			return nil, fmt.Errorf("scan state: %w", err)
		}
	}
	return out, nil
}

// exportList reads the keys, or prefixes of keys, that an argument lists.
func exportList(arg string) ([]string, error) {
	var list [][]string
	if err := json.Unmarshal([]byte(arg), &list); err != nil || len(list) > MaxExport {
		return nil, refuse(CodeInvalidArgument, "keys: must be a list of at most %d keys", MaxExport)
	}
	keys := make([]string, len(list))
	for i, parts := range list {
		if !keyParts(parts) {
			return nil, refuse(CodeInvalidArgument, "keys: must be lists of an object type and attributes")
		}
		keys[i] = compositeKey(parts[0], parts[1:]...)
	}
	return keys, nil
}

// keyParts reports whether a key can be made of parts.
func keyParts(parts []string) bool {
	for _, p := range parts {
		if !validText(p) {
			return false
		}
	}
	return len(parts) > 0 && parts[0] != ""
}

func exported(key string, value []byte) Exported {
	return Exported{strings.Split(key[len(separator):len(key)-len(separator)], separator), value}
}
