package chaincode

import (
	"slices"
	"testing"
)

func TestCommonPrefix(t *testing.T) {
	for _, test := range []struct {
		start, end string
		objectType string
		attributes []string
	}{
		{"\x00acct\x00", "\x00acct\x00\U0010ffff", "acct", nil},
		{"\x00acct\x00a\x00", "\x00acct\x00a\x00\U0010ffff", "acct", []string{"a"}},
		{"\x00acct\x00a\x00b\x00", "\x00acct\x00a\x00\U0010ffff", "acct", []string{"a"}},
		{"\x00acct\x00ab\x00", "\x00acct\x00ac\x00", "acct", nil},
		{"\x00acct\x00a\x00b", "\x00acct\x00a\x00c", "acct", []string{"a"}},
	} {
		objectType, attributes, err := commonPrefix(test.start, test.end)
		if err != nil || objectType != test.objectType || !slices.Equal(attributes, test.attributes) {
			t.Errorf("%q to %q: %q, %q, %v", test.start, test.end, objectType, attributes, err)
		}
	}
	for _, bad := range [][2]string{{"\x00acct\x00", "\x00bd\x00"}, {"\x00a", "\x00b"}, {"\x00acct", "\x00acct\U0010ffff"}} {
		if _, _, err := commonPrefix(bad[0], bad[1]); err == nil {
			t.Errorf("%q to %q has a prefix", bad[0], bad[1])
		}
	}
}
