package contract

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
)

var (
	encoding = json.JoinOptions(json.Deterministic(true))
	decoding = json.JoinOptions(json.RejectUnknownMembers(true))
)

// encode returns the canonical JSON of v.
func encode(v any) ([]byte, error) { return json.Marshal(v, encoding) }

// load returns the object at a key, nil when there is none. The object is the
// caller's: a change counts when it is stored.
func load[T any](t *tx, key string) (*T, error) {
	data, err := t.get(key)
	if err != nil || data == nil {
		return nil, err
	}
	return decode[T](key, data)
}

func decode[T any](key string, data []byte) (*T, error) {
	v := new(T)
	if err := json.Unmarshal(data, v, decoding); err != nil {
		return nil, fmt.Errorf("state %q is corrupt: %w", key, err)
	}
	return v, nil
}

// recall returns what was made of the object at a key, and makes it when the
// value has changed since or was not looked at.
func recall[T, V any](t *tx, key string, make func(*T) (V, error)) (V, error) {
	if v, ok := t.memo[key].(V); ok {
		return v, nil
	}
	o, err := load[T](t, key)
	if err != nil {
		var zero V
		return zero, err
	}
	v, err := make(o)
	if err == nil {
		t.memo[key] = v
	}
	return v, err
}

// store writes an object.
func store[T any](t *tx, key string, v *T) error {
	data, err := encode(v)
	if err != nil {
		return fmt.Errorf("encode state %q: %w", key, err)
	}
	t.put(key, data)
	return nil
}

// maxPage is how many objects a query returns at most.
const maxPage = 100

// page is part of a list. Bookmark continues it; it is empty on the last page.
type page[T any] struct {
	Items    []T    `json:"items"`
	Bookmark string `json:"bookmark"`
}

// list returns a page of the objects below a composite key, for queries.
// view turns what is stored into what is returned.
func list[T, V any](t *tx, prefix, size, bookmark string, view func(key string, v *T) (V, error)) (*page[V], error) {
	limit, err := pageSize(size, maxPage)
	if err != nil {
		return nil, err
	}
	start, err := afterBookmark(prefix, bookmark)
	if err != nil {
		return nil, err
	}
	out := &page[V]{Items: []V{}}
	var last string
	var failure error
	err = t.stub.Scan(start, prefix+endOfKeys, limit+1, func(key string, data []byte) bool {
		if len(out.Items) == limit {
			out.Bookmark = bookmarkOf(prefix, last)
			return false
		}
		v, err := decode[T](key, data)
		if err == nil {
			var item V
			item, err = view(key, v)
			out.Items = append(out.Items, item)
		}
		failure, last = err, key
		return err == nil
	})
	if failure != nil {
		return nil, failure
	}
	if err != nil {
		return nil, fmt.Errorf("scan state: %w", err)
	}
	return out, nil
}

// bookmarkOf returns where a page of the keys below a prefix ended.
func bookmarkOf(prefix, last string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strings.TrimPrefix(last, prefix)))
}

// afterBookmark returns where the page after a bookmark begins.
func afterBookmark(prefix, bookmark string) (string, error) {
	if bookmark == "" {
		return prefix, nil
	}
	last, err := base64.RawURLEncoding.Strict().DecodeString(bookmark)
	if err != nil || !utf8.Valid(last) {
		return "", refuse(CodeInvalidArgument, "bookmark: is not from an earlier page")
	}
	return prefix + string(last) + separator, nil
}

func pageSize(s string, most int) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > most || strconv.Itoa(n) != s {
		return 0, refuse(CodeInvalidArgument, "pageSize: must be an integer from 1 to %d", most)
	}
	return n, nil
}

// same is the view of an object as it is stored.
func same[T any](_ string, v *T) (*T, error) { return v, nil }
